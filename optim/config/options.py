"""Every option of a run, declared once: the flags of the command line, their help and their defaults are made of it.

Source of the names and meanings of HuMoR's options: its public command line and ``.cfg`` files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import assets
from optim.config.declaring import Check, not_negative, option, options_of, positive
from optim.config.formats import FORMATS
from optim.config.sources import DEMO, NOT_READ, sources
from optim.schedule.data_types import data_type_of
from optim.schedule.phases import Phase
from optim.schedule.presets import PRESETS
from optim.schedule.stages import FREEZE_END, FREEZE_START, PUBLIC_STEPS, TUNE_FRAMES, schedule
from optim.schedule.weights import split_weights

DATA = "what to fit"
IMAGES = "a video, or a recording with depth"
MODELS = "models (defaults: the shipped ones)"
FIT = "the fit (defaults: those of the data)"
RUN = "the run"
GROUPS = (DATA, IMAGES, MODELS, FIT, RUN)
"""Headings of ``--help``, in order."""

DEFAULT_CLIP = "default_walk_turn"
MOTION_FRAMES = 60
"""Frames of a motion file that are fitted unless told otherwise or split, as in HuMoR's configurations."""
SAMPLED_POINTS, MEASURED_POINTS = 512, 4096
"""Points of a frame's cloud unless told otherwise; as in HuMoR, whose weights count on it."""
DEPTH_UNIT, PROX_DEPTH_UNIT = 1e-3, 1 / 8000
"""Metres per step of a depth image: most store millimetres, PROX's Kinect eighths of them."""
Observed = Literal["joints3d", "joints3d_partial", "joints2d", "verts3d", "points3d"]


def _observed() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for source in sources().values() for name in source.observed))


def _data_types() -> tuple[str, ...]:
    return (*(source.name for source in sources().values() if source.help), *NOT_READ)


def _about_data_types() -> str:
    reads = "; ".join(f"{source.name}: {source.help}" for source in sources().values() if source.help)
    return f"kind of --data-path, where it is not found right by itself ({reads})"


def _own_or_path(word: str) -> str | Path:
    return word if word == "own" else Path(word)


@dataclass(frozen=True)
class Settings:
    """Everything a run was asked to do. Frames are counted at 30 Hz; lengths are metres."""

    data: str = option(DEFAULT_CLIP, "demo clip, or a file in the same format", group=DATA, metavar="NAME|FILE")
    observations: Observed = option(
        "joints3d",
        "what of the data is observed",
        group=DATA,
        choices=_observed,
        otherwise="joints3d, or what there is",
    )
    data_path: Path | None = option(
        None,
        "your own data, in place of --data; its kind is told from its content, then from its ending",
        group=DATA,
        metavar="FILE|DIR",
    )
    kind: str = option(
        DEMO, _about_data_types, group=DATA, flag="--data-type", choices=_data_types, otherwise="as found"
    )
    """Name of the ``DataSource`` that reads the data."""
    clip: str | None = option(
        None,
        "which motion of a folder, by name, part of it, or number from 0",
        group=DATA,
        metavar="NAME|N",
        otherwise="all in turn, or the first in a window",
    )
    list_clips: bool = option(False, "print the names and numbers that --clip takes", group=DATA, of_one_run=True)
    amass_custom_split: tuple[str, ...] = option(
        (), "only these folders of --data-path", group=DATA, metavar="DIR", of_motion=True, otherwise="all below it"
    )
    num_points: int | None = option(
        None,
        "points of a cloud per frame",
        group=DATA,
        metavar="N",
        otherwise=f"{SAMPLED_POINTS} sampled, {MEASURED_POINTS} measured",
        check=positive(),
    )
    amass_start_frame: int = option(0, "first frame, counted at 30 Hz", group=DATA, metavar="N")
    amass_seq_len: int | None = option(
        None,
        "number of frames",
        group=DATA,
        metavar="N",
        otherwise=f"{MOTION_FRAMES} of a motion file, all of other data",
    )
    amass_root_joint_only: bool = option(
        False, "observe only pelvis, neck, head and shoulders", group=DATA, of_motion=True
    )
    amass_noise_std: float = option(
        0.0,
        "Gaussian noise on what is observed [m]",
        group=DATA,
        metavar="M",
        of_motion=True,
        check=not_negative("metres, "),
    )
    amass_make_partial: bool = option(False, "hide what is lower than the next flag says", group=DATA, of_motion=True)
    amass_partial_height: float = option(0.9, "[m] above the floor", group=DATA, metavar="M", of_motion=True)
    amass_drop_middle: bool = option(False, "observe nothing in the middle third", group=DATA, of_motion=True)
    rgb_seq_len: int | None = option(
        None,
        "split a longer clip into overlapping sub-sequences of at most so many frames",
        group=DATA,
        metavar="N",
        otherwise="one piece",
    )
    rgb_overlap_len: int = option(10, "frames that neighbouring sub-sequences share", group=DATA, metavar="N")
    batch_size: int = option(4, "headless: sub-sequences fitted together", group=DATA, metavar="N")

    op_keypts: Path | None = option(
        None,
        "keypoints of your own: OpenPose's folder, …",
        group=IMAGES,
        metavar="DIR|FILE",
        otherwise="found by networks",
    )
    person: int | None = option(
        None,
        "whom to follow, counted from the left from 1",
        group=IMAGES,
        metavar="N",
        otherwise="the largest",
        check=Check(lambda value: value >= 1, "counted from 1"),
    )
    mask_joints2d: Path | Literal["own"] | None = option(
        None,
        "ignore hidden keypoints: by a folder of occluder masks, or by the mask of the networks",
        group=IMAGES,
        metavar="DIR",
        argument={"nargs": "?", "const": "own", "type": _own_or_path},
    )
    """What hides keypoints: a folder of masks, or the mask of the networks that found them."""
    rgb_intrinsics: Path | None = option(
        None, "camera matrix", group=IMAGES, metavar="FILE.json", otherwise="an ordinary lens"
    )
    depth_scale: float | None = option(
        None,
        "metres per step of a depth image",
        group=IMAGES,
        metavar="M",
        otherwise=f"{DEPTH_UNIT:g}, of PROX {PROX_DEPTH_UNIT:g}",
        check=positive(),
    )
    data_fps: float | None = option(
        None,
        "frame rate of what does not say its own",
        group=IMAGES,
        metavar="HZ",
        otherwise="30",
        check=positive(),
    )
    rgb_planercnn_res: Path | None = option(
        None, "PlaneRCNN's planes, for the floor", group=IMAGES, metavar="DIR", otherwise="a floor from the feet"
    )

    smpl: Path = option(
        assets.BODY_FOLDER, "SMPL+H: model.npz, or DIR/{gender}/model.npz", group=MODELS, metavar="FILE|DIR"
    )
    vposer: Path = option(assets.POSE_PRIOR_FOLDER, "VPoser v1", group=MODELS, metavar="DIR")
    humor: Path = option(assets.MOTION_PRIOR_FILE, "HuMoR checkpoint, best_model.pth", group=MODELS, metavar="FILE")
    init_motion_prior: Path = option(
        assets.INIT_STATE_PRIOR_FILE, "prior_gmm.npz, or its folder", group=MODELS, metavar="DIR|FILE"
    )

    preset: str = option(
        "humorscope", "our rules, the public code's, or a variant", group=FIT, choices=lambda: tuple(PRESETS)
    )
    num_iters: tuple[int, int, int] | None = option(
        None,
        "steps of each stage",
        group=FIT,
        metavar="N",
        otherwise=", ".join(f"{name} {' '.join(map(str, values))}" for name, values in PUBLIC_STEPS.items()),
    )
    lbfgs_max_iter: int = option(20, "iterations in a step", group=FIT, metavar="N")
    joint2d_sigma: float = option(
        100.0, "scale of the robust 2D residual [px]", group=FIT, metavar="PX", check=positive("pixels, ")
    )
    robust_loss: Literal["bisquare", "none"] = option("bisquare", "weighting of point clouds", group=FIT)
    robust_tuning_const: float = option(
        4.6851, "cut-off of bisquare in deviations", group=FIT, metavar="C", check=positive()
    )
    stage3_tune_init_state: bool = option(True, "stage 3 in one piece", group=FIT, flag="--stage3-no-tune-init-state")
    stage3_tune_init_num_frames: int = option(TUNE_FRAMES, "frames tuned", group=FIT, metavar="N")
    stage3_tune_init_freeze_start: int | None = option(
        None, "step x_0 freezes at", group=FIT, metavar="N", otherwise=f"{FREEZE_START} of 70"
    )
    stage3_tune_init_freeze_end: int | None = option(
        None, "step it moves again", group=FIT, metavar="N", otherwise=f"{FREEZE_END} of 70"
    )
    stage3_contact_refine_only: bool = option(
        True, "contact terms in all of stage 3", group=FIT, flag="--stage3-full-contact"
    )

    headless: bool = option(False, "no window: run the whole fit, write results and video", group=RUN, of_one_run=True)
    out: Path | None = option(
        None,
        "headless: where results and video go",
        group=RUN,
        metavar="DIR",
        otherwise="out/CLIP",
        of_one_run=True,
    )
    no_video: bool = option(False, "headless: results only", group=RUN, of_one_run=True)
    export: tuple[str, ...] = option(
        (), f"headless: the motion also as {','.join(FORMATS)}", group=RUN, metavar="FORMAT", of_one_run=True
    )
    open: Path | None = option(
        None, "look at a recorded run, or at results", group=RUN, metavar="FILE|DIR", of_one_run=True
    )
    resume: Path | None = option(
        None, "go on with a recorded run where it was left", group=RUN, metavar="FILE", of_one_run=True
    )
    """What it was asked to do is in its file."""
    record: Path | None = option(
        None,
        "where to record this run",
        group=RUN,
        metavar="FILE",
        otherwise="the user's data folder, or beside headless results",
        of_one_run=True,
    )
    no_record: bool = option(False, "keep no recording once the window is closed", group=RUN, of_one_run=True)
    bundle: tuple[Path, Path] | None = option(
        None, "a recorded run as one file to pass on", group=RUN, metavar=("RUN", "FILE"), of_one_run=True
    )
    seed: int = option(0, "of the noise and of all that is random", group=RUN, metavar="N")

    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Those that were given, by name; their flags are in the table of loss terms."""
    through_camera: bool = False
    """Whether the frame of the input is a camera's rather than a world with z up."""
    notices: tuple[str, ...] = ()
    """What the user should know: flags that have no effect here."""

    @property
    def data_weights(self) -> str:
        """Whose default weights and steps hold (``schedule.data_types.DATA_TYPES``)."""
        return data_type_of({self.observations.removesuffix("_partial")}, camera=self.through_camera)

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
        return {} if self.rgb_seq_len is None else dict(split_weights(self.data_weights))


@dataclass(frozen=True)
class HumorFlags:
    """Flags of HuMoR for which there are others; ``settings.parse`` turns them into those."""

    amass_use_joints: bool = option(False, "as --observations joints3d", group=DATA)
    amass_use_verts: bool = option(False, "as --observations verts3d", group=DATA)
    amass_use_points: bool = option(False, "as --observations points3d", group=DATA)
    prox_recording: str | None = option(None, "which recording of PROX, as --clip", group=IMAGES, metavar="NAME")
    prox_recording_subseq_idx: int = option(0, "which stretch of it", group=IMAGES, metavar="N")
    prox_seq_len: int = option(60, "frames of a stretch", group=IMAGES, metavar="N")


OPTIONS = options_of(Settings)
"""Every option by the name of its field."""
OF_ONE_RUN = frozenset(name for name, one in OPTIONS.items() if one.of_one_run) | {"notices"}
"""Fields that a resumed run does not inherit."""
MODEL_FILES = tuple(name for name, one in OPTIONS.items() if one.group == MODELS)
"""Fields that name the files of models; they may lie elsewhere when a run is resumed."""


def flag_of(name: str) -> str:
    """The flag that sets a field."""
    return OPTIONS[name].flag if name in OPTIONS else f"--{name.replace('_', '-')}"
