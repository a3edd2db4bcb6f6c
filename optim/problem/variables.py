"""The variables of the optimisation, their packing into one flat vector and back, and the motion that results.

Variables are a mapping from name to tensor and are never changed in place. In stages 1 and 2 they are a free motion:
``trans``, ``root_orient``, ``latent_pose`` per frame, and ``betas``. In stage 3 they are the first frame, its
velocities and ``latent_motion``. Held variables are not part of the flat vector, so no solver can move them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_sixd, sixd_to_matrix
from optim.schedule.phases import INITIAL_STATE, NODES, Phase
from optim.schedule.stage3_variants import node_frames

Variables = Mapping[str, Tensor]
PER_FRAME = ("trans", "root_orient", "latent_pose", "latent_motion")
RANGED = (*PER_FRAME, NODES)
"""Variables of which a range along the second axis can be held."""
NAMES = (*INITIAL_STATE, "betas", "latent_motion", "floor_plane", NODES)
X_0 = "x_0"
_RANGE = re.compile(r"(\w+)\[(\d*):(\d*)\]")


@dataclass(frozen=True)
class Trajectory:
    """A motion per frame in the input frame (the camera's, or the world without a camera)."""

    trans: Tensor  # (B, T, 3) m
    root_orient: Tensor  # (B, T, 3, 3)
    pose_body: Tensor  # (B, T, 21, 3, 3)
    betas: Tensor  # (B, 16)
    joints: Tensor  # (B, T, 22, 3) m, of the body model
    contacts: Tensor | None = None  # (B, T, 22) probability in [0, 1]; frame 0 repeats frame 1
    floor_plane: Tensor | None = None  # (B, 4): unit normal n, offset d of n·p = d


def root_matrix(value: Tensor) -> Tensor:
    """The variable ``root_orient``, axis-angle (..., 3) or 6D (..., 6), as matrices (..., 3, 3)."""
    return axis_angle_to_matrix(value) if value.shape[-1] == 3 else sixd_to_matrix(value)


def root_variable(matrix: Tensor, *, rotation: str) -> Tensor:
    """Matrices (..., 3, 3) as the variable: ``axis-angle`` (..., 3) or ``6d`` (..., 6)."""
    return matrix_to_axis_angle(matrix) if rotation == "axis-angle" else matrix_to_sixd(matrix)


@dataclass(frozen=True)
class Block:
    """One variable's place in the flat vector: all of it, or only some indices along its second axis."""

    name: str
    shape: tuple[int, ...]
    """Shape of the moving entries."""
    frames: Tensor | None
    """Indices (K,) along axis 1 that move; None means all."""

    @property
    def size(self) -> int:
        return int(torch.Size(self.shape).numel())


@dataclass(frozen=True)
class Packing:
    """The order of the moving variables in the flat vector of n numbers."""

    blocks: tuple[Block, ...]

    @property
    def size(self) -> int:
        return sum(block.size for block in self.blocks)

    def pack(self, variables: Variables) -> Tensor:
        """The flat vector (n,) of the moving entries."""
        pieces = []
        for block in self.blocks:
            value = variables[block.name]
            pieces.append((value if block.frames is None else value[:, block.frames]).reshape(-1))
        return torch.cat(pieces)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """The blocks of the flat vector by name, in the shape of the moving entries; views, not copies."""
        pieces = flat.split([block.size for block in self.blocks])
        return {block.name: piece.view(block.shape) for block, piece in zip(self.blocks, pieces, strict=True)}

    def unpack(self, flat: Tensor, variables: Variables) -> dict[str, Tensor]:
        """All variables with the moving entries from ``flat``; the others are the same tensors as before."""
        result = dict(variables)
        for block, piece in zip(self.blocks, self.split(flat).values(), strict=True):
            if block.frames is not None:
                piece = variables[block.name].index_copy(1, block.frames, piece)
            result[block.name] = piece
        return result


def packing(variables: Variables, phase: Phase, *, held: Iterable[str] = ()) -> Packing:
    """The moving entries of a phase: its variables without held entries and without latents beyond its frames.

    Raises:
        InputError: No entry is left to move.
    """
    still: dict[str, list[slice]] = {}
    for text in held:
        if phase.stage == 3 or text != X_0:
            for name, frames in covered(text, variables):
                still.setdefault(name, []).append(frames)
    blocks = []
    for name in phase.variables:
        value = variables[name]
        keep = torch.ones(value.shape[1], dtype=torch.bool) if name in RANGED else torch.ones(1, dtype=torch.bool)
        if name == "latent_motion" and phase.frames is not None:
            keep[max(phase.frames - 1, 0) :] = False
        if name == NODES and phase.frames is not None and phase.segment is not None:
            keep[len(node_frames(phase.frames, phase.segment)) :] = False
        for frames in still.get(name, ()):
            keep[frames] = False
        if len(keep) and keep.all():
            blocks.append(Block(name, tuple(value.shape), None))
        elif keep.any():
            index = keep.nonzero()[:, 0]
            blocks.append(Block(name, (value.shape[0], len(index), *value.shape[2:]), index))
    if not blocks:
        names = ", ".join(sorted(held))
        raise InputError(f"{phase.name}: with {names} held nothing is left to move; release one of them")
    return Packing(tuple(blocks))


def covered(text: str, variables: Variables) -> list[tuple[str, slice]]:
    """The existing variables that a name stands for (see ``parse_held``), and their range along axis 1.

    Raises:
        InputError: There is no such variable.
    """
    name, start, end = parse_held(text)
    parts = INITIAL_STATE if name == X_0 else (name,)
    return [(part, slice(start, end)) for part in parts if part in variables]


def parse_held(text: str) -> tuple[str, int | None, int | None]:
    """Parse the name of what is held: ``x_0``, a variable, or a range in time such as ``latent_motion[10:20]``.

    Returns:
        Name, start and end of the range; None where the text gives no bound.

    Raises:
        InputError: There is no such variable, or a range was given for one without a time axis.
    """
    match = _RANGE.fullmatch(text)
    name, start, end = match.groups() if match else (text, "", "")
    if name not in (X_0, *NAMES) or (match and name not in RANGED):
        known = ", ".join((X_0, *NAMES))
        raise InputError(f"cannot hold {text!r}; there are {known}, and ranges such as latent_motion[10:20]")
    return name, int(start) if start else None, int(end) if end else None
