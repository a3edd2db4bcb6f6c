"""One table of every kind of file that is read: its endings, and the flag that takes it. Knows no torch.

The message about a file that ``--data-path`` cannot use, and whoever offers files to choose, take it from here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from optim.common.errors import InputError
from optim.config.sources import DEMO, source_of, sources
from optim.reading.arrays import array_names
from optim.reading.files import is_file, is_folder
from optim.reading.json_file import read_json


@dataclass(frozen=True)
class FileKind:
    """A kind of file or folder."""

    what: str
    flag: str
    endings: tuple[str, ...]
    """In lower case with the dot. Empty for folders that are known by their content."""


def kinds() -> tuple[FileKind, ...]:
    """All kinds: those of ``--data-path``, which the sources declare, and those of other flags."""
    of_data = [FileKind(one.help, "--data-path", one.endings) for one in sources().values() if one.name != DEMO]
    return (*(kind for kind in of_data if kind.what), *OTHERS.values())


OTHERS = {
    "keypoints": FileKind("keypoints of a video", "--op-keypts", (".json", ".npz")),
    "camera": FileKind("camera intrinsics", "--rgb-intrinsics", (".json",)),
    "run": FileKind("a recorded run", "--open", (".humorscope",)),
    "body": FileKind("an SMPL+H body", "--smpl", (".npz",)),
    "vposer": FileKind("VPoser v1", "--vposer", ()),
    "humor": FileKind("a HuMoR checkpoint", "--humor", (".pth",)),
    "mixture": FileKind("the prior of the initial state", "--init-motion-prior", (".npz",)),
    "configuration": FileKind("a configuration", "@FILE, without --data-path", (".cfg",)),
}
CONVERSIONS = {
    ".fbx": "convert it to BVH in Blender (File > Import > FBX, then File > Export > Motion Capture)",
    ".mat": "save its arrays with scipy.io.loadmat and numpy.savez",
    ".csv": "save its numbers as an .npz with numpy.savez (docs/data.md has the names)",
    ".glb": "convert it to BVH in Blender (File > Import > glTF, then File > Export > Motion Capture)",
    ".h5": "save its arrays with h5py and numpy.savez (docs/data.md has the names)",
}
"""Endings that are not read → what to do."""


def require_data(path: Path) -> None:
    """Refuse what no source of data takes, and say what it is, what is inside and which flag takes it.

    Paths that a source takes, and paths that do not exist, pass: their reader reports what is wrong with them.

    Raises:
        InputError: The path is of another kind, or of none that is known.
    """
    there = is_folder(path) or (is_file(path) and path.stat().st_size > 0)
    if not there or (source_of(path) is not None and path.suffix.lower() != ".npz"):
        return
    if (other := other_kind(path)) is not None:
        kind = OTHERS[other]
        beside = " and the video with --data-path" if other == "keypoints" else ""
        raise InputError(f"{path}: {kind.what}, not the data of a fit; give it with {kind.flag}{beside}")
    if is_folder(path):
        if any(True for _ in path.rglob("*.npz")):
            return
        raise InputError(f"{path}: no motion, images or depth in it, only {_listed(path)}; {expected()}")
    if path.suffix.lower() != ".npz":
        advice = CONVERSIONS.get(path.suffix.lower(), expected())
        raise InputError(f"{path}: a file of a kind that is not read ({_begins(path)}); {advice}")


def expected() -> str:
    """The endings that ``--data-path`` takes, as text for a message."""
    endings = dict.fromkeys(end for kind in kinds() if kind.flag == "--data-path" for end in kind.endings)
    return f"--data-path takes {' '.join(endings)}, and folders of motions, images or depth images"


def other_kind(path: Path) -> str | None:
    """Key in ``OTHERS`` of a file or folder that another flag takes. None if it is not known."""
    if is_folder(path):
        if (path / "snapshots").is_dir():
            return "vposer"
        files = sorted(path.glob("*.json"))
        return "keypoints" if files and _of_json(files[0]) == "keypoints" else None
    ending, names = path.suffix.lower(), set(array_names(path))
    if {"v_template", "f"} <= names:
        return "body"
    if {"weights", "means", "covariances"} <= names:
        return "mixture"
    if "keypoints" in names:
        return "keypoints"
    if ending == ".json":
        return _of_json(path)
    return {".humorscope": "run", ".cfg": "configuration"}.get(ending)


def _of_json(path: Path) -> str | None:
    try:
        content = read_json(path, what="keypoints or a camera")
    except InputError:
        return None
    first = content[0] if isinstance(content, list) and content else None
    names = set(content) if isinstance(content, dict) else set(first) if isinstance(first, dict) else set()
    if names & {"people", "keypoints", "instance_info", "annotations", "frames"}:
        return "keypoints"
    if names & {"camera_mtx", "camera_matrix", "cam_mtx", "K", "intrinsics"} or (
        isinstance(content, list) and len(content) == 3 and isinstance(first, list) and len(first) == 3
    ):
        return "camera"
    return None


def _listed(folder: Path) -> str:
    endings = Counter(one.suffix.lower() or "folders" if one.is_file() else "folders" for one in folder.iterdir())
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common(4)) or "nothing"


def _begins(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(24)
    text = start.decode("ascii", "replace").split("\n")[0]
    return f"it begins with {text!r}" if text.isprintable() and text.isascii() else f"it begins with {start[:8].hex()}"
