"""Paths of the shipped models and clips, and a check of their hashes. Does not read their content."""

import hashlib
from pathlib import Path

ASSETS_FOLDER = Path(__file__).resolve().parent
BODY_FOLDER = ASSETS_FOLDER / "body"
BODY_FILE = BODY_FOLDER / "neutral" / "model.npz"
POSE_PRIOR_FOLDER = ASSETS_FOLDER / "vposer_v1_0"
MOTION_PRIOR_FILE = ASSETS_FOLDER / "humor" / "best_model.pth"
INIT_STATE_PRIOR_FILE = ASSETS_FOLDER / "init_state_prior_gmm" / "prior_gmm.npz"
DEMO_FOLDER = ASSETS_FOLDER / "demo"
KEYPOINTS_FOLDER = ASSETS_FOLDER / "keypoints"
PERSON_DETECTOR_FILE = KEYPOINTS_FOLDER / "pose_detection.tflite"
LANDMARKS_FILE = KEYPOINTS_FOLDER / "pose_landmark_heavy.tflite"
HASH_FILE = ASSETS_FOLDER / "SHA256SUMS"
ASSET_FOLDERS = (
    BODY_FOLDER,
    POSE_PRIOR_FOLDER,
    MOTION_PRIOR_FILE.parent,
    INIT_STATE_PRIOR_FILE.parent,
    DEMO_FOLDER,
    KEYPOINTS_FOLDER,
)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files() -> list[Path]:
    """All shipped asset files, sorted. Hidden files are left out."""
    found = (path for folder in ASSET_FOLDERS for path in folder.rglob("*"))
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def recorded_hashes() -> dict[str, str]:
    """The recorded hashes: path relative to ``assets/`` → SHA-256. The file is in the format of ``sha256sum``."""
    rows = (line.split(maxsplit=1) for line in HASH_FILE.read_text(encoding="utf-8").splitlines() if line.strip())
    return {name.lstrip("*"): digest for digest, name in rows}


def verify() -> list[str]:
    """Compare every asset with its recorded hash.

    Returns:
        One sentence for each file that is missing, changed or not recorded. Empty if there is none.
    """
    recorded = recorded_hashes()
    present = {path.relative_to(ASSETS_FOLDER).as_posix(): path for path in files()}
    problems = [f"assets/{name}: missing; restore it from the repository" for name in recorded if name not in present]
    for name, path in present.items():
        if name not in recorded:
            problems.append(f"assets/{name}: not in assets/{HASH_FILE.name}; run `python -m assets.build hashes`")
        elif sha256(path) != recorded[name]:
            problems.append(f"assets/{name}: differs from its recorded hash; restore it from the repository")
    return problems
