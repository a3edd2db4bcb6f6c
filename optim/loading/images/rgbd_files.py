"""Find the files of an RGB-D recording: PROX's data set, one of its recordings, or a plain folder. Opens no file.

PROX holds ``recordings/NAME/{Color,Depth,BodyIndexColor,BodyIndex}``, ``calibration/{IR,Color}.json``,
``keypoints/NAME`` and ``planes/SCENE``; its images are mirrored. A plain folder holds the same, or ``Depth`` or
``Points`` with ``intrinsics.json`` (one camera for both), ``keypoints`` and ``planes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optim.common.errors import InputError
from optim.config.options import DEPTH_UNIT, PROX_DEPTH_UNIT
from optim.reading.files import is_file, is_folder

POINT_ENDINGS = (".ply", ".npy", ".npz", ".txt", ".xyz")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""Endings of the images of a folder that is taken as a video."""
TRIMMED = 90
"""Number of frames that HuMoR removes at both ends of a PROX recording, because people stand still in them."""
_FRAMES = ("Depth", "depth", "Points", "points")
_IMAGES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class RgbdFiles:
    """Files and folders of one recording. A folder that is missing is None.

    ``frames[i]`` is frame i: a depth image, a point file or, if only keypoints are used, a colour image.
    """

    name: str
    frames: tuple[Path, ...]
    calibration: Path | None  # folder with IR.json and Color.json
    keypoints: Path | None
    planes: Path | None
    masks: Path | None  # folder of images that are 0 where the body is
    masks_in_colour: bool = False  # whether the masks belong to the colour image rather than to the depth image
    mirrored: bool = False  # whether the images are mirrored
    unit: float = DEPTH_UNIT  # metres per step of a depth image

    def beside(self, folder: Path, frame: Path, *endings: str) -> Path | None:
        """File with the same name as a frame in another folder, with one of the endings. None if there is none."""
        return next((path for end in endings if is_file((path := folder / f"{frame.stem}{end}"))), None)


def is_prox(path: Path) -> bool:
    """Whether a folder is PROX's data set, judging by the names in it."""
    return any((path / name).is_dir() for name in ("qualitative", "recordings"))


def is_plain(path: Path) -> bool:
    """Whether a folder holds depth images or point files, judging by the names in it."""
    return any((path / name).is_dir() for name in _FRAMES) or any(path.glob("*.ply"))


def prox_names(path: Path) -> list[str]:
    """Names of the recordings of a PROX data set. The list is empty if the path is one recording itself.

    Raises:
        InputError: There is no recording.
    """
    if (path / "Color").is_dir() or (path / "Depth").is_dir():
        return []
    recordings = _prox_root(path) / "recordings"
    found = sorted(one.name for one in recordings.iterdir() if is_folder(one)) if is_folder(recordings) else []
    if not found:
        raise InputError(f"{path}: no recordings/NAME/Depth in it; give the folder of PROX, or one recording of it")
    return found


def prox_recording(path: Path, name: str | None, *, depth: bool, frames: int) -> RgbdFiles:
    """Files of one recording of PROX.

    Args:
        name: Name of the recording. None means that ``path`` is the recording.
        depth: Whether its frames are depth images rather than colour images.
        frames: Number of frames that must remain for the ends to be removed.

    Raises:
        InputError: There are no images.
    """
    place = path if name is None else _prox_root(path) / "recordings" / name
    root = place.resolve().parents[1]
    files = _images(place / ("Depth" if depth else "Color"))
    if len(files) - 2 * TRIMMED >= frames:
        files = files[TRIMMED:-TRIMMED]
    masks = [place / folder for folder in ("BodyIndexColor", "BodyIndex") if (place / folder).is_dir()]
    return RgbdFiles(
        name=place.name,
        frames=tuple(files),
        calibration=root / "calibration",
        keypoints=_folder(root / "keypoints" / place.name),
        planes=_folder(root / "planes" / place.name.split("_")[0]),
        masks=masks[0] if masks else None,
        masks_in_colour=bool(masks) and masks[0].name == "BodyIndexColor",
        mirrored=True,
        unit=PROX_DEPTH_UNIT,
    )


def plain_recording(path: Path) -> RgbdFiles:
    """Files of a plain folder: depth images or point files, and what belongs to them.

    Raises:
        InputError: The folder is missing or holds neither depth images nor point files.
    """
    if not is_folder(path):
        raise InputError(f"{path}: no such folder; give one with Depth/*.png or Points/*.ply in it")
    places = [one for name in _FRAMES if (one := path / name).is_dir()]
    place = places[0] if places else path
    depth = place.name.lower() == "depth"
    clouds = sorted(file for file in place.iterdir() if file.suffix in POINT_ENDINGS and not file.name.startswith("."))
    frames = _images(place) if depth else clouds
    if not frames:
        raise InputError(f"{path}: no Depth/*.png and no {', '.join(POINT_ENDINGS)} in it; there is nothing to fit")
    masks = [path / folder for folder in ("BodyIndexColor", "BodyIndex") if (path / folder).is_dir()]
    return RgbdFiles(
        name=path.resolve().name,
        frames=tuple(frames),
        calibration=_folder(path / "calibration"),
        keypoints=_folder(path / "keypoints"),
        planes=_folder(path / "planes"),
        masks=masks[0] if masks else None,
        masks_in_colour=bool(masks) and masks[0].name == "BodyIndexColor",
    )


def _prox_root(path: Path) -> Path:
    inside = path / "qualitative"
    return inside if is_folder(inside) else path


def _folder(path: Path) -> Path | None:
    return path if is_folder(path) else None


def _images(folder: Path) -> list[Path]:
    if not is_folder(folder):
        raise InputError(f"{folder}: no such folder; a recording needs it")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _IMAGES and file.name[0] != ".")
    if not files:
        raise InputError(f"{folder}: no images in it; a recording needs them")
    return files
