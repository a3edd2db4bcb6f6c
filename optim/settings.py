"""The command line as a value: all options of a run, checked and frozen. Opens no file but ``@file.cfg``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import assets
from optim.errors import InputError
from optim.flags import (
    DEFAULT_CLIP,
    OTHER_DATA_TYPES,
    WEIGHT_FLAGS,
    WITHOUT_EFFECT,
    about_unknown,
    build_parser,
    dest,
)
from optim.stages import PRESETS, TUNE_FRAMES, Phase, schedule

Observed = Literal["joints3d", "joints3d_partial", "joints2d", "verts3d"]
_SCHEDULES = {"joints3d": "3d", "joints3d_partial": "3d", "joints2d": "rgb", "verts3d": "verts3d"}
_OF_ANY_CLIP = ("amass_start_frame", "amass_seq_len")
OVERLAP_WEIGHT = 1.0
"""Of ``rgb_overlap_consist`` where 3D data is split, as no public configuration does: that of an observed point."""


@dataclass(frozen=True)
class Settings:
    """Everything a run was asked to do. Frames are counted at 30 Hz; lengths are metres."""

    data: str = DEFAULT_CLIP
    """Name of a demo clip, or the path of a file in the same format; used where ``data_path`` is None."""
    data_path: Path | None = None
    observations: Observed = "joints3d"
    amass_start_frame: int = 0
    amass_seq_len: int | None = None
    """None: 60 frames of a motion file, all of a demo clip."""
    amass_noise_std: float = 0.0
    amass_make_partial: bool = False
    amass_partial_height: float = 0.9
    amass_drop_middle: bool = False
    amass_root_joint_only: bool = False
    rgb_seq_len: int | None = None
    """Split a longer clip into overlapping sub-sequences of at most so many frames; None: it is fitted in one piece."""
    rgb_overlap_len: int = 10
    batch_size: int = 4
    """Sub-sequences fitted together."""

    smpl: Path = assets.BODY_FOLDER
    vposer: Path = assets.POSE_PRIOR_FOLDER
    humor: Path = assets.MOTION_PRIOR_FILE
    init_motion_prior: Path = assets.INIT_STATE_PRIOR_FILE

    preset: str = "humorscope"
    num_iters: tuple[int, ...] | None = None
    lbfgs_max_iter: int = 20
    joint2d_sigma: float = 100.0
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    stage3_tune_init_state: bool = True
    stage3_tune_init_num_frames: int = TUNE_FRAMES
    stage3_tune_init_freeze_start: int | None = None
    stage3_tune_init_freeze_end: int | None = None
    stage3_contact_refine_only: bool = True

    out: Path | None = None
    headless: bool = False
    no_video: bool = False
    seed: int = 0
    notices: tuple[str, ...] = ()
    """What the user should know: flags that have no effect here."""

    @property
    def kind(self) -> str:
        """What the data is: ``demo`` or one of HuMoR's data types."""
        return "demo" if self.data_path is None else "AMASS"

    def schedule(self) -> tuple[Phase, ...]:
        """The phases of the fit.

        Raises:
            InputError: Steps, bounds or weights that do not fit together.
        """
        return schedule(
            self.preset,
            _SCHEDULES[self.observations],
            num_iters=self.num_iters,
            lbfgs_max_iter=self.lbfgs_max_iter,
            weights=self._split_weights() | dict(self.weights),
            tune_init=self.stage3_tune_init_state,
            tune_frames=self.stage3_tune_init_num_frames,
            freeze_start=self.stage3_tune_init_freeze_start,
            freeze_end=self.stage3_tune_init_freeze_end,
            contact_refine_only=self.stage3_contact_refine_only,
        )

    def _split_weights(self) -> dict[str, tuple[float, ...]]:
        """What a split adds to the weights of the data."""
        of_images = self.observations == "joints2d"
        return {} if self.rgb_seq_len is None or of_images else {"rgb_overlap_consist": (OVERLAP_WEIGHT,) * 3}


def parse(arguments: Sequence[str]) -> Settings:
    """Read the command line; ``@file.cfg`` among the arguments stands for the words in that file.

    Raises:
        InputError: An unknown flag (the nearest known one is named), a wrong value, or flags at odds.
    """
    parser = build_parser()
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise InputError(about_unknown(unknown[0], parser))
    given: dict[str, Any] = vars(known)
    weights = {term: tuple(given.pop(dest(flag))) for flag, term in WEIGHT_FLAGS.items() if dest(flag) in given}
    idle = [flag for flag in WITHOUT_EFFECT if given.pop(dest(flag), None) is not None]
    data_type = given.pop("data_type", "AMASS")
    use_joints, use_verts = given.pop("amass_use_joints", False), given.pop("amass_use_verts", False)
    if given.pop("amass_use_points", False):
        raise InputError("--amass-use-points: point clouds are not fitted; use --amass-use-joints or --amass-use-verts")
    if use_joints and use_verts:
        raise InputError("--amass-use-joints and --amass-use-verts: choose one of them")
    if use_verts:
        given["observations"] = "verts3d"
    if "num_iters" in given:
        given["num_iters"] = tuple(given["num_iters"])
    notices = tuple(f"{flag} has no effect here: {WITHOUT_EFFECT[flag][1]}" for flag in idle)
    if "rgb_seq_len" not in given:
        idle = [name for name in ("rgb_overlap_len", "batch_size") if name in given]
        notices += tuple(f"--{n.replace('_', '-')} has no effect here: only --rgb-seq-len splits a clip" for n in idle)
    settings = Settings(**given, weights=weights, notices=notices)
    _check(settings, given, data_type)
    return settings


def _check(settings: Settings, given: Mapping[str, Any], data_type: str) -> None:
    if data_type in OTHER_DATA_TYPES:
        raise InputError(
            f"--data-type {data_type}: only AMASS is read from --data-path; to see a fit of 2D keypoints, try"
            " --observations joints2d, which uses those of a demo clip"
        )
    of_file = [name for name in given if name.startswith("amass_") and name not in _OF_ANY_CLIP]
    if settings.data_path is None and (of_file or settings.observations == "verts3d"):
        flag = "--" + (of_file or ["amass_use_verts"])[0].replace("_", "-")
        raise InputError(f"{flag}: demo clips carry their own observations; it goes with --data-path FILE.npz")
    if settings.data_path is not None and "data" in given:
        raise InputError("--data and --data-path: choose one of them")
    if settings.data_path is not None and settings.observations not in ("joints3d", "verts3d"):
        raise InputError(
            f"--observations {settings.observations}: those of demo clips only; for a motion file use"
            " --amass-make-partial, --amass-noise-std, --amass-use-verts"
        )
    if settings.amass_start_frame < 0 or not (settings.amass_seq_len is None or settings.amass_seq_len >= 2):
        raise InputError("--amass-seq-len must be at least 2 and --amass-start-frame at least 0")
    _check_split(settings)
    if not (math.isfinite(settings.amass_noise_std) and settings.amass_noise_std >= 0):
        raise InputError(f"--amass-noise-std {settings.amass_noise_std}: metres, 0 or more")
    if not (math.isfinite(settings.joint2d_sigma) and settings.joint2d_sigma > 0):
        raise InputError(f"--joint2d-sigma {settings.joint2d_sigma}: pixels, more than 0")
    settings.schedule()


def _check_split(settings: Settings) -> None:
    length, overlap = settings.rgb_seq_len, settings.rgb_overlap_len
    if length is None:
        return
    if length < 2:
        raise InputError(f"--rgb-seq-len {length}: at least 2 frames")
    if not 0 <= overlap < length:
        raise InputError(f"--rgb-overlap-len {overlap}: at least 0 and less than --rgb-seq-len, {length}")
    if settings.batch_size < 1:
        raise InputError(f"--batch-size {settings.batch_size}: at least 1")
    if PRESETS[settings.preset].prior_frame == "input" and settings.observations != "joints2d":
        raise InputError(f"--preset {settings.preset} splits only what a camera sees: --observations joints2d")
