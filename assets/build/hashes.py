"""``python -m assets.build hashes``: rewrite assets/SHA256SUMS from the files as they are now."""

import argparse
from pathlib import Path

import assets


def write_hashes(table: Path = assets.HASH_FILE) -> int:
    """Write one ``sha256sum`` line per asset file; returns how many."""
    rows = [
        f"{assets.sha256(path)}  {path.relative_to(assets.ASSETS_FOLDER).as_posix()}\n"
        for path in assets.files()
    ]
    table.write_text("".join(rows), encoding="utf-8")
    return len(rows)


def main(argv: list[str]) -> int:
    """Command line of this builder."""
    argparse.ArgumentParser(prog="python -m assets.build hashes", description=__doc__).parse_args(argv)
    print(f"{assets.HASH_FILE.name}: {write_hashes()} files")
    return 0
