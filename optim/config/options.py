"""Every option of a run, declared once. The flags of the command line, their help and their defaults are made from it.

Source of the names and meanings of HuMoR's options: its public command line and ``.cfg`` files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import assets
from optim.common.euler import EULER_ORDERS
from optim.config.declaring import Check, not_negative, option, options_of, path_of, positive, up_to
from optim.config.file_kinds import about
from optim.config.formats import BONES, FORMATS
from optim.config.sources import DEMO, NOT_READ, endings, sources
from optim.reading.arrays import FRAME_RATES
from optim.schedule.data_types import asked_data_type
from optim.schedule.phases import Phase
from optim.schedule.presets import DEFAULT, PRESETS
from optim.schedule.solvers import SOLVERS
from optim.schedule.stages import FREEZE_END, FREEZE_START, PUBLIC_STEPS, TUNE_FRAMES, schedule
from optim.schedule.weights import split_weights

DATA = "what to fit"
IMAGES = "a video, or a recording with depth"
MODELS = "models (defaults: the shipped ones)"
FIT = "the fit (defaults: those of the data)"
RUN = "the run"
GROUPS = (DATA, IMAGES, MODELS, FIT, RUN)
"""Headings of ``--help``, in the order in which they are shown."""

DEFAULT_CLIP = "default_walk_turn"
MOTION_FRAMES = 60
"""Default number of frames of a motion file, unless the clip is split. Source: HuMoR's configurations."""
SAMPLED_POINTS, MEASURED_POINTS = 512, 4096
"""Default number of points in a frame's cloud: sampled from a motion, and measured by a depth camera.

Source: HuMoR. Its default weights are tuned for these numbers.
"""
DEPTH_UNIT, PROX_DEPTH_UNIT = 1e-3, 1 / 8000
"""Metres per step of a depth image. Most images store millimetres; those of PROX's Kinect store eighths of them."""
MOST_POINTS = 100_000
"""Largest number of points in a frame's cloud: more than a depth image of 320 × 240 has, and 72 MB for 60 frames."""
MOST_FRAMES = 1_000_000
"""Largest number of frames that is asked for at once: nine hours at 30 Hz."""
MOST_ITERATIONS = 1_000_000
"""Largest number of steps in a stage, and of iterations in a step."""
Observed = Literal["joints3d", "joints3d_partial", "joints2d", "verts3d", "points3d"]


KeypointSet = Literal[
    "BODY_25", "COCO-17", "mediapipe-33", "Human3.6M-17", "COCO-18", "BODY_25B", "HALPE_26", "Kinect-25",
    "COCO whole-body-133",
]  # fmt: skip
"""Names in ``optim.keypoints.names.NAMED_SETS``."""


def _observed() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for source in sources().values() for name in source.observed))


def _data_types() -> tuple[str, ...]:
    return (*(source.name for source in sources().values() if source.help), *NOT_READ)


def _about_data() -> str:
    takes = f"{' '.join(endings())}, and folders of motions, images or depth images"
    return f"your own data, in place of --data ({takes}); its kind is recognised by its content, then by its ending"


def _about_data_types() -> str:
    reads = "; ".join(f"{source.name}: {source.help}" for source in sources().values() if source.help)
    return f"kind of data in --data-path, if it is not recognised correctly ({reads})"


def _auto_or_number(word: str) -> str | float:
    return word if word == "auto" else float(word)


def _own_or_path(word: str) -> str | Path:
    return word if word == "own" else path_of(word)


@dataclass(frozen=True)
class Settings:
    """Everything that a run was asked to do. Frames are counted at 30 Hz; lengths are in metres."""

    data: str = option(DEFAULT_CLIP, "demo clip, or a file in the same format", group=DATA, metavar="NAME|FILE")
    observations: Observed = option(
        "joints3d",
        "which observations of the data to fit; joints3d_partial hides joints below 0.9 m: of getup one joint in twelve"
        " is left, and nothing in 78 of 113 frames",
        group=DATA,
        choices=_observed,
        otherwise="joints3d, or what the data has",
    )
    data_path: Path | None = option(
        None,
        _about_data,
        group=DATA,
        metavar="FILE|DIR",
    )
    kind: str = option(
        DEMO, _about_data_types, group=DATA, flag="--data-type", choices=_data_types, otherwise="as recognised"
    )
    """Name of the ``DataSource`` that reads the data."""
    clip: str | None = option(
        None,
        "motion of a folder to fit, by its name, a piece of its name, or its number from 0",
        group=DATA,
        metavar="NAME|N",
        otherwise="all one after another, or the first in a window",
    )
    check: bool = option(
        False, "read the data, print what is assumed about it and what was found, and exit", group=DATA, of_one_run=True
    )
    list_clips: bool = option(False, "print the names and numbers that --clip takes", group=DATA, of_one_run=True)
    amass_custom_split: tuple[str, ...] = option(
        (), "use only these folders of --data-path", group=DATA, metavar="DIR", of_motion=True, otherwise="all of them"
    )
    unit: Literal["m", "cm", "mm", "in", "ft"] | None = option(
        None, "unit of length of the data", group=DATA, otherwise="metres"
    )
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = option(
        None, "axis of the data that points up; write --up=-y for a negative one", group=DATA, otherwise="z"
    )
    floor_height: float | Literal["auto"] | None = option(
        None,
        "height of the floor in the data, in its unit, or auto: under the lowest joint",
        group=DATA,
        metavar="Z|auto",
        otherwise="0",
        argument={"type": _auto_or_number},
        check=Check(lambda value: value == "auto" or math.isfinite(value), "a finite number or auto"),
    )
    sides: Literal["kept", "swapped"] | None = option(
        None,
        "left and right of joints or of --op-keypts: as they are, or exchanged as in mirrored data",
        group=DATA,
        otherwise="kept",
    )
    degrees: bool = option(False, "the rotations of the motion are in degrees", group=DATA)
    euler: str | None = option(
        None,
        "the rotations of the motion are Euler angles of this order: xyz, ZXY, …; small letters for fixed axes, large"
        " ones for moving axes; with :xyz the numbers are those about x, y and z, otherwise in the order of the"
        " letters; no says that they are axis-angle vectors",
        group=DATA,
        metavar="ORDER|no",
        otherwise="axis-angle vectors",
        check=Check(lambda order: order == "no" or order in EULER_ORDERS, f"no, or one of {', '.join(EULER_ORDERS)}"),
    )
    num_points: int | None = option(
        None,
        "number of points in the cloud of a frame",
        group=DATA,
        metavar="N",
        otherwise=f"{SAMPLED_POINTS} sampled, {MEASURED_POINTS} measured",
        check=up_to(MOST_POINTS),
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
        "standard deviation of Gaussian noise on the observations [m]",
        group=DATA,
        metavar="M",
        of_motion=True,
        check=not_negative("metres, "),
    )
    amass_make_partial: bool = option(
        False, "hide observations below --amass-partial-height", group=DATA, of_motion=True
    )
    amass_partial_height: float = option(
        0.9, "height above the floor [m] for --amass-make-partial", group=DATA, metavar="M", of_motion=True
    )
    amass_drop_middle: bool = option(
        False, "observe nothing in the middle third of the frames", group=DATA, of_motion=True
    )
    rgb_seq_len: int | None = option(
        None,
        "split a longer clip into overlapping sub-sequences of at most this many frames",
        group=DATA,
        metavar="N",
        otherwise="no split",
    )
    rgb_overlap_len: int = option(10, "number of frames that neighbouring sub-sequences share", group=DATA, metavar="N")
    batch_size: int = option(4, "number of sub-sequences that are fitted together", group=DATA, metavar="N")

    op_keypts: Path | None = option(
        None,
        f"your own {about('keypoints')}",
        group=IMAGES,
        metavar="DIR|FILE",
        otherwise="keypoints found by the shipped networks",
    )
    keypoints_set: KeypointSet | None = option(
        None,
        "order of the points of --op-keypts where they have no names",
        group=IMAGES,
        otherwise="the set that fits their places",
    )
    keypoints_size: tuple[int, int] | None = option(
        None,
        "width and height [px] of the images that --op-keypts is of; 1 1 if its coordinates are shares of the image",
        group=IMAGES,
        metavar=("WIDTH", "HEIGHT"),
        otherwise="those of the video",
        check=Check(lambda size: min(size) >= 1, "pixels, 1 or more"),
    )
    keypoints_axes: Literal["kept", "y-up", "x-left", "exchanged"] | None = option(
        None,
        "axes of --op-keypts: y-up counts y from the lower edge of the image, x-left counts x from the right edge, as"
        " in mirrored images, exchanged gives y before x",
        group=IMAGES,
        otherwise="kept: x from the left, y from the upper edge",
    )
    person: int | None = option(
        None,
        "person to follow, counted from the left, starting at 1",
        group=IMAGES,
        metavar="N",
        otherwise="the largest person",
        check=Check(lambda value: value >= 1, "counted from 1"),
    )
    contradictions: Literal["doubted", "trusted"] | None = option(
        None,
        "2D keypoints that contradict each other over time (jumps, exchanged sides, both legs on one): hardly counted,"
        " or weighed as all others",
        group=IMAGES,
        otherwise="doubted; trusted with reference",
    )
    mask_joints2d: Path | Literal["own"] | None = option(
        None,
        "ignore hidden keypoints, by a folder of occluder masks or, without a folder, by the mask of the networks",
        group=IMAGES,
        metavar="DIR",
        argument={"nargs": "?", "const": "own", "type": _own_or_path},
    )
    """Source of the masks that hide keypoints: a folder, or "own" for the mask of the networks that found them."""
    rgb_intrinsics: Path | None = option(
        None, about("camera"), group=IMAGES, metavar="FILE.json", otherwise="guessed: an ordinary lens"
    )
    intrinsics_size: tuple[int, int] | None = option(
        None,
        "width and height [px] of the images that --rgb-intrinsics was made for",
        group=IMAGES,
        metavar=("WIDTH", "HEIGHT"),
        otherwise="those in its file, or those of the video",
        check=Check(lambda size: min(size) >= 1, "pixels, 1 or more"),
    )
    focal: float | None = option(
        None,
        "focal length [px] of a camera without --rgb-intrinsics",
        group=IMAGES,
        metavar="PX",
        otherwise="guessed: an ordinary lens",
        check=positive("pixels, "),
    )
    fov: float | None = option(
        None,
        "horizontal angle of view [°] of a camera without --rgb-intrinsics, in place of --focal",
        group=IMAGES,
        metavar="DEG",
        otherwise="guessed: an ordinary lens",
        check=Check(lambda angle: 1 <= angle <= 170, "degrees, from 1 to 170"),
    )
    rotate: Literal[0, 90, 180, 270] | None = option(
        None,
        "turn a video clockwise [degrees] that is stored on its side; keypoints, masks and camera turn with it; 0 says"
        " that the person really lies",
        group=IMAGES,
        otherwise="0",
    )
    depth_scale: float | None = option(
        None,
        "metres per step of a depth image",
        group=IMAGES,
        metavar="M",
        otherwise=f"{DEPTH_UNIT:g}, for PROX {PROX_DEPTH_UNIT:g}",
        check=positive(),
    )
    data_fps: float | None = option(
        None,
        "frame rate [Hz] of data that does not give its own",
        group=IMAGES,
        metavar="HZ",
        otherwise="30",
        check=Check(
            lambda rate: FRAME_RATES[0] <= rate <= FRAME_RATES[1], "Hz, from {:g} to {:g}".format(*FRAME_RATES)
        ),
    )
    rgb_planercnn_res: Path | None = option(
        None,
        "PlaneRCNN's planes, from which the floor is taken",
        group=IMAGES,
        metavar="DIR",
        otherwise="the floor is found from the feet",
    )

    smpl: Path = option(
        assets.BODY_FOLDER, "SMPL+H body: model.npz, or DIR/{gender}/model.npz", group=MODELS, metavar="FILE|DIR"
    )
    vposer: Path = option(assets.POSE_PRIOR_FOLDER, "folder of VPoser v1", group=MODELS, metavar="DIR")
    humor: Path = option(assets.MOTION_PRIOR_FILE, "HuMoR checkpoint, best_model.pth", group=MODELS, metavar="FILE")
    init_motion_prior: Path = option(
        assets.INIT_STATE_PRIOR_FILE,
        "prior of the initial state: prior_gmm.npz, or its folder",
        group=MODELS,
        metavar="DIR|FILE",
    )

    preset: str = option(
        DEFAULT,
        "rules of the fit: fast (those of humorscope with faster solvers), humorscope, reference, or a variant",
        group=FIT,
        choices=lambda: tuple(PRESETS),
        otherwise=f"{DEFAULT} for 3D joints and images; humorscope otherwise, and with flags of the parts of stage 3",
    )
    num_iters: tuple[int, int, int] | None = option(
        None,
        "number of steps in each stage",
        group=FIT,
        metavar="N",
        otherwise=", ".join(f"{name} {' '.join(map(str, values))}" for name, values in PUBLIC_STEPS.items()),
    )
    lbfgs_max_iter: int = option(
        20, "largest number of the solver's iterations in a step", group=FIT, metavar="N", check=up_to(MOST_ITERATIONS)
    )
    solvers: tuple[str, str, str] | None = option(
        None,
        "solver of each stage",
        group=FIT,
        metavar="NAME",
        choices=lambda: tuple(SOLVERS),
        otherwise="those of the preset",
    )
    joint2d_sigma: float = option(
        100.0, "scale of the robust 2D residual [px]", group=FIT, metavar="PX", check=positive("pixels, ")
    )
    robust_loss: Literal["bisquare", "none"] = option("bisquare", "robust weighting of point clouds", group=FIT)
    robust_tuning_const: float = option(
        4.6851,
        "cut-off of the bisquare weighting, in robust standard deviations",
        group=FIT,
        metavar="C",
        check=positive(),
    )
    stage3_tune_init_state: bool = option(
        True, "do not divide stage 3 into phases", group=FIT, flag="--stage3-no-tune-init-state"
    )
    stage3_tune_init_num_frames: int = option(
        TUNE_FRAMES, "number of frames in the first phase of stage 3", group=FIT, metavar="N"
    )
    stage3_tune_init_freeze_start: int | None = option(
        None, "step of stage 3 from which x_0 is held", group=FIT, metavar="N", otherwise=f"{FREEZE_START} of 70"
    )
    stage3_tune_init_freeze_end: int | None = option(
        None, "step of stage 3 from which x_0 moves again", group=FIT, metavar="N", otherwise=f"{FREEZE_END} of 70"
    )
    stage3_contact_refine_only: bool = option(
        True, "use the contact terms in all phases of stage 3", group=FIT, flag="--stage3-full-contact"
    )
    flat_gain: float | None = option(
        None,
        "end a phase early, when its last iterations gain less than this share of the loss; 0: never",
        group=FIT,
        metavar="SHARE",
        otherwise="that of the preset; 0 with reference",
        check=Check(lambda share: 0 <= share < 1, "a share from 0 up to 1"),
    )
    flat_iterations: int | None = option(
        None,
        "number of iterations in which the gain of --flat-gain is counted",
        group=FIT,
        metavar="N",
        otherwise="that of the preset",
        check=up_to(MOST_ITERATIONS),
    )

    headless: bool = option(
        False, "run the whole fit without a window, and write results and video", group=RUN, of_one_run=True
    )
    out: Path | None = option(
        None,
        "headless: folder for results and video",
        group=RUN,
        metavar="DIR",
        otherwise="out/CLIP, or beside what --open names",
        of_one_run=True,
    )
    no_video: bool = option(False, "headless: write results but no video", group=RUN, of_one_run=True)
    fast_video: bool = option(
        False,
        "headless: draw a video of 960 × 540 pixels and 15 pictures per second, in about a third of the time",
        group=RUN,
        of_one_run=True,
    )
    export: tuple[str, ...] = option(
        (), f"headless: write the motion also as {','.join(FORMATS)}", group=RUN, metavar="FORMAT", of_one_run=True
    )
    export_bones: str = option(
        BONES[0],
        "headless: names of the bones in exported gltf and bvh",
        group=RUN,
        choices=lambda: BONES,
        of_one_run=True,
    )
    export_scale: float = option(
        1.0,
        "headless: units of length in one metre in exported gltf and bvh, such as 100 for centimetres",
        group=RUN,
        metavar="N",
        check=positive(),
        of_one_run=True,
    )
    open: Path | None = option(
        None,
        "show a recorded run or results; with --headless, write a video of it without a new fit",
        group=RUN,
        metavar="FILE|DIR",
        of_one_run=True,
    )
    compare: Path | None = option(
        None,
        "in the window: another run or results of the clip, drawn as a second body",
        group=RUN,
        metavar="RUN",
        of_one_run=True,
    )
    resume: Path | None = option(
        None, "continue a recorded run where it stopped", group=RUN, metavar="FILE", of_one_run=True
    )
    """The file of the run holds its settings."""
    record: Path | None = option(
        None,
        "file to record this run in",
        group=RUN,
        metavar="FILE",
        otherwise="the user's data folder, or beside headless results",
        of_one_run=True,
    )
    no_record: bool = option(False, "keep no recording after the window is closed", group=RUN, of_one_run=True)
    bundle: tuple[Path, Path] | None = option(
        None,
        "write a recorded run as one file that can be passed on",
        group=RUN,
        metavar=("RUN", "FILE"),
        of_one_run=True,
    )
    seed: int = option(0, "seed of the noise and of every other random number", group=RUN, metavar="N")

    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Weights that were given, by the name of their loss term. Their flags stand in the table of loss terms."""
    through_camera: bool = False
    """Whether the frame of the input is that of a camera rather than a world with z up."""
    notices: tuple[str, ...] = ()
    """Messages for the user about flags that have no effect here."""

    @property
    def data_weights(self) -> str:
        """Data type whose default weights and steps are used (``schedule.data_types.DATA_TYPES``)."""
        return asked_data_type(self.observations, camera=self.through_camera)

    @property
    def own_body(self) -> Path | None:
        """Path of the user's body files. None for the shipped body."""
        return None if self.smpl == assets.BODY_FOLDER else self.smpl

    @property
    def given(self) -> dict[str, Any]:
        """Values of the fields that differ from the defaults."""
        usual = Settings()
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(usual, name)}

    def over(self, recorded: Settings) -> Settings:
        """The settings of an earlier run, with the values that are given now in place of the recorded ones."""
        return replace(recorded, **self.given)

    def schedule(self) -> tuple[Phase, ...]:
        """The phases of the fit.

        Raises:
            InputError: Steps, bounds or weights do not fit together.
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
            solvers=self.solvers,
            flat_gain=self.flat_gain,
            flat_iterations=self.flat_iterations,
        )

    def under(self, preset: str) -> tuple[Phase, ...]:
        """The phases of the fit under another preset, with all other settings as they are.

        Raises:
            InputError: There is no such preset, or the settings do not fit to it.
        """
        return replace(self, preset=preset).schedule()

    def _split_weights(self) -> dict[str, tuple[float, ...]]:
        """Weights that are added because the clip is split. They are empty if it is not."""
        return {} if self.rgb_seq_len is None else dict(split_weights(self.data_weights))


@dataclass(frozen=True)
class HumorFlags:
    """Flags of HuMoR that have another name here. ``settings.parse`` turns them into the options of ``Settings``."""

    amass_use_joints: bool = option(False, "same as --observations joints3d", group=DATA)
    amass_use_verts: bool = option(False, "same as --observations verts3d", group=DATA)
    amass_use_points: bool = option(False, "same as --observations points3d", group=DATA)
    prox_recording: str | None = option(None, "recording of PROX to fit, same as --clip", group=IMAGES, metavar="NAME")
    prox_recording_subseq_idx: int = option(
        0, "number of the sub-sequence of the recording, from 0", group=IMAGES, metavar="N"
    )
    prox_seq_len: int = option(60, "number of frames in a sub-sequence", group=IMAGES, metavar="N")


OPTIONS = options_of(Settings)
"""Every option of ``Settings``, by the name of its field."""
OF_ONE_RUN = frozenset(name for name, one in OPTIONS.items() if one.of_one_run) | {"notices"}
"""Fields that a resumed run does not inherit."""
_FOLLOWING = ("preset", "observations")
"""Fields that follow from other flags where their own is not given."""
MODEL_FILES = tuple(name for name, one in OPTIONS.items() if one.group == MODELS)
"""Fields that name the files of models. The files may lie elsewhere when a run is resumed."""


def of_the_fit(settings: Settings) -> dict[str, Any]:
    """The settings that say what is fitted and how, without those of one run such as its folder."""
    return {item.name: getattr(settings, item.name) for item in fields(settings) if item.name not in OF_ONE_RUN}


def chosen_for_the_fit(settings: Settings) -> dict[str, Any]:
    """The settings of the fit that differ from the defaults, and those that otherwise follow from other flags.

    Without the latter a preset or observations equal to the default would be taken as not chosen.
    """
    given = {name: value for name, value in settings.given.items() if name not in OF_ONE_RUN}
    return given | {name: getattr(settings, name) for name in _FOLLOWING}


def flag_of(name: str) -> str:
    """The flag that sets a field."""
    return OPTIONS[name].flag if name in OPTIONS else f"--{name.replace('_', '-')}"
