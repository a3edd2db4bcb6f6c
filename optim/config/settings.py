"""The command line as a value: all options of a run, checked and frozen. Opens no file but ``@file.cfg``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import assets
from optim.common.errors import InputError
from optim.config.flags import (
    DEFAULT_CLIP,
    WEIGHT_FLAGS,
    WITHOUT_EFFECT,
    dest,
    read_flags,
)
from optim.config.formats import formats_of
from optim.config.sources import kind_of, sources
from optim.schedule.stages import PRESETS, TUNE_FRAMES, Phase, schedule

Observed = Literal["joints3d", "joints3d_partial", "joints2d", "verts3d", "points3d"]
_DATA_WEIGHTS = {"joints3d": "3d", "joints3d_partial": "3d", "joints2d": "rgb"}
_OF_ANY_CLIP = ("amass_start_frame", "amass_seq_len")
OVERLAP_WEIGHTS = {"rgb": None, "rgbd": 200.0}
"""Of ``rgb_overlap_consist`` where data is split: with depth that of the public configuration for images, which has its
own; elsewhere 1, that of an observed point (no public configuration splits such data)."""


@dataclass(frozen=True)
class Settings:
    """Everything a run was asked to do. Frames are counted at 30 Hz; lengths are metres."""

    data: str = DEFAULT_CLIP
    """Name of a demo clip, or the path of a file in the same format; used where ``data_path`` is None."""
    data_path: Path | None = None
    kind: str = "demo"
    """Name of the ``DataSource`` that reads the data."""
    observations: Observed = "joints3d"
    through_camera: bool = False
    """Whether the frame of the input is a camera's rather than a world with z up."""
    clip: str | None = None
    """Of a folder of motions: name, part of it, or number from 0; None: all in turn, or the first in a window."""
    list_clips: bool = False
    amass_custom_split: tuple[str, ...] = ()
    """Names of folders in ``data_path``; empty: all that is below it."""
    num_points: int | None = None
    """Of a point cloud, per frame; None: what its reader says."""
    depth_scale: float | None = None
    """Metres per step of a depth image; None: of PROX 1/8000, else 0.001."""
    data_fps: float | None = None
    """Frame rate of data that does not say its own; None: 30."""
    amass_start_frame: int = 0
    amass_seq_len: int | None = None
    """None: 60 frames of a motion file, all of a demo clip."""
    amass_noise_std: float = 0.0
    amass_make_partial: bool = False
    amass_partial_height: float = 0.9
    amass_drop_middle: bool = False
    amass_root_joint_only: bool = False
    op_keypts: Path | None = None
    """Keypoints of a video; None: they are looked for."""
    person: int | None = None
    """Whom of several to follow, counted from 1 from the left; None: the largest."""
    mask_joints2d: Path | Literal["own"] | None = None
    """What hides keypoints: a folder of masks, or the mask of the networks that found them."""
    rgb_intrinsics: Path | None = None
    rgb_planercnn_res: Path | None = None
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
    robust_loss: str = "bisquare"
    robust_tuning_const: float = 4.6851
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    stage3_tune_init_state: bool = True
    stage3_tune_init_num_frames: int = TUNE_FRAMES
    stage3_tune_init_freeze_start: int | None = None
    stage3_tune_init_freeze_end: int | None = None
    stage3_contact_refine_only: bool = True

    out: Path | None = None
    headless: bool = False
    no_video: bool = False
    export: tuple[str, ...] = ()
    """Formats that the motion is written in besides HuMoR's, of ``saving.formats.FORMATS``."""
    record: Path | None = None
    """The run file. None: in the user's data folder (``recording.run_folder``), or beside headless results."""
    no_record: bool = False
    open: Path | None = None
    """A recorded run, or results, to look at."""
    resume: Path | None = None
    """A recorded run to go on with; what it was asked to do is then in its file."""
    bundle: tuple[Path, Path] | None = None
    """A recorded run, and the file to write that holds all of it."""
    seed: int = 0
    notices: tuple[str, ...] = ()
    """What the user should know: flags that have no effect here."""

    @property
    def data_weights(self) -> str:
        """Whose default weights and steps hold (``stages.PUBLIC_WEIGHTS``)."""
        if self.through_camera and self.observations == "points3d":
            return "rgbd"
        return _DATA_WEIGHTS.get(self.observations, self.observations)

    @property
    def own_body(self) -> Path | None:
        """The user's body files; None for the shipped body."""
        return None if self.smpl == assets.BODY_FOLDER else self.smpl

    @property
    def given(self) -> dict[str, Any]:
        """What differs from the defaults."""
        usual = Settings()
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(usual, name)}

    def over(self, recorded: Settings) -> Settings:
        """The settings of an earlier run with what is given now in their place."""
        return replace(recorded, **self.given)

    def schedule(self) -> tuple[Phase, ...]:
        """The phases of the fit.

        Raises:
            InputError: Steps, bounds or weights that do not fit together.
        """
        return schedule(
            self.preset,
            self.data_weights,
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
        weight = OVERLAP_WEIGHTS.get(self.data_weights, 1.0)
        return {} if self.rgb_seq_len is None or weight is None else {"rgb_overlap_consist": (weight,) * 3}


def parse(arguments: Sequence[str]) -> Settings:
    """Read the command line; ``@file.cfg`` among the arguments stands for the words in that file.

    Raises:
        InputError: An unknown flag (the nearest known one is named), a wrong value, or flags at odds.
    """
    given = read_flags(arguments)
    weights = {term: tuple(given.pop(dest(flag))) for flag, term in WEIGHT_FLAGS.items() if dest(flag) in given}
    idle = [flag for flag in WITHOUT_EFFECT if given.pop(dest(flag), None) is not None]
    given["kind"] = kind_of(given.get("data_path"), given.pop("data_type", None))
    _choose_observations(given)
    _choose_stretch(given)
    for name in ("num_iters", "amass_custom_split", "bundle"):
        if name in given:
            given[name] = tuple(given[name])
    if "export" in given:
        given["export"] = formats_of(given["export"])
    notices = tuple(f"{flag} has no effect here: {WITHOUT_EFFECT[flag][1]}" for flag in idle)
    if "data_fps" in given and sources()[given["kind"]].knows_rate:
        notices += ("--data-fps has no effect here: the frame rate is read from the file",)
    if "rgb_seq_len" not in given:
        idle = [name for name in ("rgb_overlap_len", "batch_size") if name in given]
        notices += tuple(f"--{n.replace('_', '-')} has no effect here: only --rgb-seq-len splits a clip" for n in idle)
    settings = Settings(**given, weights=weights, notices=notices)
    _check(settings, given)
    return settings


def _choose_observations(given: dict[str, Any]) -> None:
    """What is observed, from ``--observations`` or HuMoR's flags for it, and whether a camera sees it."""
    asked = [name for name in ("joints", "verts", "points") if given.pop(f"amass_use_{name}", False)]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(f'--amass-use-{name}' for name in asked)}: choose one of them")
    if asked and given.setdefault("observations", f"{asked[0]}3d") != f"{asked[0]}3d":
        raise InputError(f"--amass-use-{asked[0]} and --observations {given['observations']}: choose one of them")
    kind, path = given["kind"], given.get("data_path")
    source = sources()[kind]
    observed = given.setdefault("observations", source.default_observed(path))
    if observed not in source.observed:
        offered = ", ".join(source.observed)
        raise InputError(f"--observations {observed}: of {path or 'a demo clip'} ({kind}) it can be {offered}")
    given["through_camera"] = source.through_camera(path, observed)


def _choose_stretch(given: dict[str, Any]) -> None:
    """PROX's flags for recording and stretch as the ones that hold for any clip."""
    names = ("prox_recording", "prox_recording_subseq_idx", "prox_seq_len")
    recording, index, length = (given.pop(name, None) for name in names)
    stretch = sources()[given["kind"]].stretch
    if stretch is None:
        if recording is not None or index is not None:
            raise InputError(f"--prox-recording: it goes with --data-type PROX-RGBD, but this is {given['kind']}")
        return
    if recording is not None:
        given.setdefault("clip", recording)
    if "rgb_seq_len" not in given:
        given.setdefault("amass_seq_len", length or stretch)
        given.setdefault("amass_start_frame", max(index or 0, 0) * given["amass_seq_len"])


def _check(settings: Settings, given: Mapping[str, Any]) -> None:
    _check_run_files(settings, given)
    if settings.data_path is not None and "data" in given:
        raise InputError("--data and --data-path: choose one of them")
    of_motion = [name for name in given if name.startswith("amass_") and name not in _OF_ANY_CLIP]
    if of_motion and settings.observations not in sources()[settings.kind].made:
        flag = "--" + of_motion[0].replace("_", "-")
        raise InputError(
            f"{flag}: what is observed was stored with this data; it goes with --data-path FILE.npz, a motion, or with"
            " --observations verts3d or points3d of a demo clip"
        )
    for name in given:
        kinds = [source.name for source in sources().values() if name in source.options]
        if kinds and settings.kind not in kinds:
            raise InputError(f"--{name.replace('_', '-')}: it goes with --data-type {' or '.join(kinds)}")
    if settings.person is not None and settings.person < 1:
        raise InputError(f"--person {settings.person}: counted from 1")
    for name in ("num_points", "depth_scale", "data_fps"):
        value = getattr(settings, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"--{name.replace('_', '-')} {value}: more than 0")
    if settings.amass_start_frame < 0 or not (settings.amass_seq_len is None or settings.amass_seq_len >= 2):
        raise InputError("--amass-seq-len must be at least 2 and --amass-start-frame at least 0")
    _check_split(settings)
    if not (math.isfinite(settings.amass_noise_std) and settings.amass_noise_std >= 0):
        raise InputError(f"--amass-noise-std {settings.amass_noise_std}: metres, 0 or more")
    if not (math.isfinite(settings.joint2d_sigma) and settings.joint2d_sigma > 0):
        raise InputError(f"--joint2d-sigma {settings.joint2d_sigma}: pixels, more than 0")
    if not (math.isfinite(settings.robust_tuning_const) and settings.robust_tuning_const > 0):
        raise InputError(f"--robust-tuning-const {settings.robust_tuning_const}: more than 0")
    settings.schedule()


def _check_run_files(settings: Settings, given: Mapping[str, Any]) -> None:
    chosen = [name for name in ("open", "resume", "record", "no_record", "bundle") if name in given]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join('--' + name.replace('_', '-') for name in chosen)}: choose one of them")
    if settings.open is not None and settings.headless:
        raise InputError("--open shows what was recorded in a window; it does not go with --headless")
    if settings.rgb_seq_len is not None and settings.headless and chosen:
        raise InputError(f"--{chosen[0].replace('_', '-')}: a clip in parts is not recorded without a window")


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
    if PRESETS[settings.preset].prior_frame == "input" and not settings.through_camera:
        raise InputError(f"--preset {settings.preset} splits only what a camera sees: --observations joints2d")
