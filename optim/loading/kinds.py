"""Every kind of file that is read, with its endings and the flag that takes it. Knows no torch.

The message about a file that ``--data-path`` cannot use, and whoever offers files to choose, take it from here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from optim.common.errors import InputError
from optim.config.file_kinds import OTHERS, FileKind
from optim.config.sources import DEMO, source_of, sources
from optim.reading.arrays import array_names
from optim.reading.files import is_file, is_folder
from optim.reading.json_file import read_json


def kinds() -> tuple[FileKind, ...]:
    """All kinds: those of ``--data-path``, which the sources declare, and those of other flags (``OTHERS``)."""
    of_data = [FileKind(one.help, "--data-path", one.endings) for one in sources().values() if one.name != DEMO]
    return (*(kind for kind in of_data if kind.what), *OTHERS.values())


CONVERSIONS = {
    ".fbx": "convert it to BVH in Blender (File > Import > FBX, then File > Export > Motion Capture)",
    ".mat": "save its arrays with scipy.io.loadmat and numpy.savez",
    ".csv": "save its numbers as an .npz with numpy.savez (docs/data.md has the names)",
    ".glb": "convert it to BVH in Blender (File > Import > glTF, then File > Export > Motion Capture)",
    ".h5": "save its arrays with h5py and numpy.savez (docs/data.md has the names)",
}
"""Endings that are not read → what to do."""


def as_markdown() -> str:
    """All kinds, with the endings and the flag that takes them, as the table of the documentation."""
    rows = [
        f"| {kind.what} | {' '.join(f'`{end}`' for end in kind.endings) or 'a folder'} | `{kind.flag}` |"
        for kind in kinds()
    ]
    others = [f"| not read | `{ending}` | {advice} |" for ending, advice in CONVERSIONS.items()]
    return "\n".join(("| what | endings | flag |", "|---|---|---|", *rows, *others))


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
