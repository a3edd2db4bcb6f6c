"""``python -m assets.build keypoints``: extract BlazePose's two networks from the npm package @mediapipe/pose."""

import argparse
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

import assets
from optim.common.errors import InputError

PACKAGE = "@mediapipe/pose@0.5.1675469404"
ARCHIVE = "mediapipe-pose-0.5.1675469404.tgz"
# member of the package -> our file, SHA-256
MEMBERS = {
    "package/pose_solution_packed_assets.data": (
        assets.PERSON_DETECTOR_FILE.name,
        "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
    ),
    "package/pose_landmark_heavy.tflite": (
        assets.LANDMARKS_FILE.name,
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
    ),
}


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m assets.build keypoints", description=__doc__)
    parser.add_argument("--source", type=Path, metavar=ARCHIVE, help="the package (default: fetched with npm)")
    parser.add_argument("--out", type=Path, metavar="DIR", default=assets.KEYPOINTS_FOLDER)
    options = parser.parse_args(argv)
    package = _fetch() if options.source is None else _read(options.source)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in unpack(package).items():
        (options.out / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes")
    return 0


def unpack(package: bytes) -> dict[str, bytes]:
    """Names and contents of the asset files in the package.

    Raises:
        InputError: It is not the package, or one of its networks is another version.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
            found = {member: archive.extractfile(member) for member in MEMBERS}
            contents = {member: file.read() for member, file in found.items() if file is not None}
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise InputError(f"not the npm package {PACKAGE} ({error}); give {ARCHIVE} as --source") from None
    files = {}
    for member, (name, digest) in MEMBERS.items():
        if hashlib.sha256(contents.get(member, b"")).hexdigest() != digest:
            raise InputError(f"{member} is not the version that this program is tested with; {PACKAGE} is needed")
        files[name] = contents[member]
    return files


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path}: no such file; `npm pack {PACKAGE}` makes it")
    return path.read_bytes()


def _fetch() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = subprocess.run(
                ["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise InputError(f"npm is not installed; get {ARCHIVE} and give it as --source") from None
        file = Path(folder) / ARCHIVE
        if result.returncode != 0 or not file.is_file():
            reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"npm pack {PACKAGE} failed ({reason}); get {ARCHIVE} and give it as --source")
        return file.read_bytes()
