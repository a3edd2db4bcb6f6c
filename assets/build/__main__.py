"""``python -m assets.build NAME …``: rebuild one asset. Knows only the table of names below."""

import importlib
import sys

from optim.common.exit_status import with_exit_status

# name -> module with a main(argv: list[str]) -> int, and one line of help
BUILDERS = {
    "body": ("assets.build.body.build", "the free SMPL+H body"),
    "demo": ("assets.build.demo.build", "the demo clips"),
    "keypoints": ("assets.build.keypoints", "the networks that find a person's keypoints in an image"),
    "hashes": ("assets.build.hashes", "assets/SHA256SUMS, from the files as they are now"),
}


@with_exit_status
def main(argv: list[str]) -> int:
    """Run the builder named by ``argv[0]`` with the other arguments. The exit status is 2 after bad input."""
    if not argv or argv[0] not in BUILDERS:
        rows = "\n".join(f"  {name:9} {text}" for name, (_, text) in BUILDERS.items())
        print(f"usage: python -m assets.build NAME [options]\n{rows}", file=sys.stderr)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    module, _ = BUILDERS[argv[0]]
    return importlib.import_module(module).main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
