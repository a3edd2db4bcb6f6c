"""``python -m assets.build hashes``: rewrite assets/SHA256SUMS from the files as they are now."""

import argparse

import assets


def write_hashes() -> int:
    """Write one ``sha256sum`` line per asset file to SHA256SUMS, and return the number of files."""
    rows = [f"{assets.sha256(path)}  {path.relative_to(assets.ASSETS_FOLDER).as_posix()}\n" for path in assets.files()]
    assets.HASH_FILE.write_text("".join(rows), encoding="utf-8")
    return len(rows)


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    argparse.ArgumentParser(prog="python -m assets.build hashes", description=__doc__).parse_args(argv)
    print(f"{assets.HASH_FILE.name}: {write_hashes()} files")
    return 0
