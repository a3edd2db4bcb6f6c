"""The flags of the command line, HuMoR's by their own names and ours. Knows their spelling, not what they do.

Source of the names and meanings of HuMoR's flags: its public command line and ``.cfg`` files.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from optim.common.errors import InputError
from optim.config.command_line import Word, words_of
from optim.config.formats import FORMATS
from optim.config.sources import NOT_READ, sources
from optim.schedule.stages import FREEZE_END, FREEZE_START, PRESETS, PUBLIC_STEPS, TUNE_FRAMES

DEFAULT_CLIP = "default_walk_turn"
WEIGHT_FLAGS = {
    "--joint2d-weight": "joints2d",
    "--joint3d-weight": "joints3d",
    "--joint3d-rollout-weight": "joints3d_rollout",
    "--joint3d-smooth-weight": "joints3d_smooth",
    "--vert3d-weight": "verts3d",
    "--point3d-weight": "points3d",
    "--pose-prior-weight": "pose_prior",
    "--shape-prior-weight": "shape_prior",
    "--motion-prior-weight": "motion_prior",
    "--init-motion-prior-weight": "init_motion_prior",
    "--joint-consistency-weight": "joint_consistency",
    "--bone-length-weight": "bone_length",
    "--contact-vel-weight": "contact_vel",
    "--contact-height-weight": "contact_height",
    "--floor-reg-weight": "floor_reg",
    "--rgb-overlap-consist-weight": "rgb_overlap_consist",
    "--shooting-gap-weight": "shooting_gap",
}
"""HuMoR's flag → loss term."""

_ONE_CLIP = "one clip is fitted at a time"
_ONE_NETWORK = "HuMoR's published architecture is the only one"
_NO_IMAPPER = "iMapper's scenes are not read"
WITHOUT_EFFECT: dict[str, tuple[int | str, str]] = {
    "--amass-batch-size": (1, _ONE_CLIP),
    "--amass-split-by": (1, "all clips of the folder are there to choose from"),
    "--gt-body-type": (1, "SMPL+H is the only body"),
    "--humor-in-rot-rep": (1, _ONE_NETWORK),
    "--humor-latent-size": (1, _ONE_NETWORK),
    "--humor-model-data-config": (1, _ONE_NETWORK),
    "--humor-out-rot-rep": (1, _ONE_NETWORK),
    "--humor-steps-in": (1, _ONE_NETWORK),
    "--imapper-scene": (1, _NO_IMAPPER),
    "--imapper-scene-subseq-idx": (1, _NO_IMAPPER),
    "--imapper-seq-len": (1, _NO_IMAPPER),
    "--lr": (1, "the line search starts from the full step"),
    "--motion-optim-shape": (0, "stage 3 always optimises the shape"),
    "--openpose": (1, "keypoints are found by the networks that come along, or given by --op-keypts"),
    "--prox-batch-size": (1, _ONE_CLIP),
    "--save-results": (0, "results are always saved"),
    "--save-stages-results": (0, "results are always saved"),
    "--shuffle": (0, _ONE_CLIP),
}
"""Flags of HuMoR that change nothing here → number of values, reason. Accepted, and named in a notice."""


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message.removeprefix('argument ')}; --help lists the flags")


def build_parser() -> argparse.ArgumentParser:
    """The parser; what is not given is absent from its result."""
    parser = _Parser(
        prog="run_viewer.py",
        description="Step through HuMoR's test-time optimisation in a window, or run it --headless.",
        usage="run_viewer.py [flags] [@file.cfg]",
        epilog="Flags can stand in a file, as HuMoR's .cfg: run_viewer.py @my.cfg --seed 1. Later ones win."
        f" Accepted without effect: {' '.join(WITHOUT_EFFECT)}.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    _add_data_flags(parser.add_argument_group("what to fit"))
    _add_video_flags(parser.add_argument_group("a video, or a recording with depth"))
    _add_model_flags(parser.add_argument_group("models (defaults: the shipped ones)"))
    _add_fit_flags(parser.add_argument_group("the fit (defaults: those of the data)"))
    _add_run_flags(parser.add_argument_group("the run"))
    for flag, (values, _) in WITHOUT_EFFECT.items():
        if values == 0:
            parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
        else:
            parser.add_argument(flag, nargs=values if values == "+" else None, help=argparse.SUPPRESS)
    return parser


def _add_data_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", metavar="NAME|FILE", help=f"demo clip (default: {DEFAULT_CLIP})")
    known = sources().values()
    observed = tuple(dict.fromkeys(name for source in known for name in source.observed))
    group.add_argument("--observations", choices=observed, help="what of the data is observed")
    group.add_argument(
        "--data-path", type=Path, metavar="FILE|DIR", help="your own data; its kind is told from its name"
    )
    reads = "; ".join(f"{source.name}: {source.help}" for source in known if source.help)
    types = (*(source.name for source in known if source.help), *NOT_READ)
    group.add_argument("--data-type", choices=types, help=f"kind of --data-path, where not so ({reads})")
    group.add_argument("--clip", metavar="NAME|N", help="which motion of a folder, by name or number from 0")
    group.add_argument("--list-clips", action="store_true", help="print the names and numbers that --clip takes")
    group.add_argument("--amass-custom-split", nargs="+", metavar="DIR", help="only these folders of --data-path")
    group.add_argument(
        "--num-points", type=int, metavar="N", help="points of a cloud per frame (512 sampled, 4096 measured)"
    )
    group.add_argument("--amass-start-frame", type=int, metavar="N", help="first frame, counted at 30 Hz (0)")
    group.add_argument("--amass-seq-len", type=int, metavar="N", help="number of frames (60; of a demo clip, all)")
    group.add_argument("--amass-use-joints", action="store_true", help="observe the 22 joints (default)")
    group.add_argument("--amass-use-verts", action="store_true", help="observe the 43 key vertices")
    group.add_argument("--amass-use-points", action="store_true", help="observe points sampled from the mesh")
    group.add_argument("--amass-root-joint-only", action="store_true", help="observe only pelvis, head, neck, arms")
    group.add_argument("--amass-noise-std", type=float, metavar="M", help="Gaussian noise on what is observed [m] (0)")
    group.add_argument("--amass-make-partial", action="store_true", help="hide what is lower than the next flag says")
    group.add_argument("--amass-partial-height", type=float, metavar="M", help="[m] above the floor (0.9)")
    group.add_argument("--amass-drop-middle", action="store_true", help="observe nothing in the middle third")
    group.add_argument(
        "--rgb-seq-len", type=int, metavar="N", help="split a longer clip into parts of at most so many frames"
    )
    group.add_argument("--rgb-overlap-len", type=int, metavar="N", help="frames that neighbouring parts share (10)")
    group.add_argument("--batch-size", type=int, metavar="N", help="headless: parts fitted together (4)")


def _add_video_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--op-keypts", type=Path, metavar="DIR|FILE", help="keypoints of your own: OpenPose's folder, …")
    group.add_argument("--person", type=int, metavar="N", help="whom to follow, counted from the left (the largest)")
    group.add_argument(
        "--mask-joints2d",
        nargs="?",
        const="own",
        type=_own_or_path,
        metavar="DIR",
        help="ignore hidden keypoints: by a folder of occluder masks, or by the mask of the networks",
    )
    group.add_argument("--rgb-intrinsics", type=Path, metavar="FILE.json", help="camera matrix (an ordinary lens)")
    group.add_argument("--depth-scale", type=float, metavar="M", help="metres per step of a depth image (0.001)")
    group.add_argument("--data-fps", type=float, metavar="HZ", help="frame rate of what does not say its own (30)")
    group.add_argument("--prox-recording", metavar="NAME", help="which recording of PROX, as --clip")
    group.add_argument("--prox-recording-subseq-idx", type=int, metavar="N", help="which stretch of it (0)")
    group.add_argument("--prox-seq-len", type=int, metavar="N", help="frames of a stretch (60)")
    group.add_argument("--rgb-planercnn-res", type=Path, metavar="DIR", help="PlaneRCNN's planes, for the floor")


def _own_or_path(word: str) -> str | Path:
    return word if word == "own" else Path(word)


def _add_model_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--smpl", type=Path, metavar="FILE|DIR", help="SMPL+H: model.npz, or DIR/{gender}/model.npz")
    group.add_argument("--vposer", type=Path, metavar="DIR", help="VPoser v1")
    group.add_argument("--humor", type=Path, metavar="FILE", help="HuMoR checkpoint, best_model.pth")
    group.add_argument("--init-motion-prior", type=Path, metavar="DIR|FILE", help="prior_gmm.npz, or its folder")


def _add_fit_flags(group: argparse._ArgumentGroup) -> None:
    three = "weight in stages 1, 2, 3"
    steps = ", ".join(f"{name} {values}" for name, values in PUBLIC_STEPS.items())
    group.add_argument("--preset", choices=tuple(PRESETS), help="our rules, the public code's, or a variant")
    group.add_argument("--num-iters", type=int, nargs=3, metavar="N", help=f"steps of each stage ({steps})")
    group.add_argument("--lbfgs-max-iter", type=int, metavar="N", help="iterations in a step (20)")
    for flag in WEIGHT_FLAGS:
        group.add_argument(flag, type=float, nargs=3, metavar="W", help=three)
    group.add_argument("--joint2d-sigma", type=float, metavar="PX", help="scale of the robust 2D residual (100)")
    group.add_argument("--robust-loss", choices=("bisquare", "none"), help="weighting of point clouds (bisquare)")
    group.add_argument(
        "--robust-tuning-const", type=float, metavar="C", help="cut-off of bisquare in deviations (4.6851)"
    )
    group.add_argument(
        "--stage3-no-tune-init-state",
        dest="stage3_tune_init_state",
        action="store_false",
        help="stage 3 in one piece",
    )
    group.add_argument("--stage3-tune-init-num-frames", type=int, metavar="N", help=f"frames tuned ({TUNE_FRAMES})")
    group.add_argument(
        "--stage3-tune-init-freeze-start",
        type=int,
        metavar="N",
        help=f"step x_0 freezes at ({FREEZE_START} of 70)",
    )
    group.add_argument(
        "--stage3-tune-init-freeze-end",
        type=int,
        metavar="N",
        help=f"step it moves again ({FREEZE_END} of 70)",
    )
    group.add_argument(
        "--stage3-full-contact",
        dest="stage3_contact_refine_only",
        action="store_false",
        help="contact terms in all of stage 3",
    )


def _add_run_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--headless", action="store_true", help="no window: run the whole fit, write results and video")
    group.add_argument("--out", type=Path, metavar="DIR", help="headless: where results and video go (out/CLIP)")
    group.add_argument("--no-video", action="store_true", help="headless: results only")
    formats = ",".join(FORMATS)
    group.add_argument("--export", nargs="+", metavar="FORMAT", help=f"headless: the motion also as {formats}")
    group.add_argument("--open", type=Path, metavar="FILE|DIR", help="look at a recorded run, or at results")
    group.add_argument("--resume", type=Path, metavar="FILE", help="go on with a recorded run where it was left")
    group.add_argument("--record", type=Path, metavar="FILE", help="where to record this run (the user's data folder)")
    group.add_argument("--no-record", action="store_true", help="keep no recording once the window is closed")
    group.add_argument(
        "--bundle", type=Path, nargs=2, metavar=("RUN", "FILE"), help="a recorded run as one file to pass on"
    )
    group.add_argument("--seed", type=int, metavar="N", help="of the noise and of all that is random (0)")


def dest(flag: str) -> str:
    """The name of a flag's value: ``--joint3d-weight`` → ``joint3d_weight``."""
    return flag.removeprefix("--").replace("-", "_")


def read_flags(arguments: Sequence[str]) -> dict[str, Any]:
    """The values of what is given, by ``dest``; ``@file.cfg`` stands for the words in that file.

    Raises:
        InputError: An unknown flag (the nearest known one is named) or a wrong value; names the line of the file.
    """
    parser, words = build_parser(), words_of(arguments)
    for number, word in enumerate(words):
        flag = word.text.split("=")[0]
        if flag.startswith("--") and flag not in parser._option_string_actions:
            raise InputError(word.told(_about_unknown(word.text, parser)))
        if flag.startswith("--"):
            last = next((n for n in range(number + 1, len(words)) if words[n].text.startswith("--")), len(words))
            _check_alone(parser, words[number:last])
    known, left = parser.parse_known_args([word.text for word in words])
    if left:
        word = next(word for word in words if word.text == left[0])
        raise InputError(word.told(_about_unknown(word.text, parser)))
    return vars(known)


def _check_alone(parser: argparse.ArgumentParser, words: Sequence[Word]) -> None:
    """Raise with the place of a flag, unless it and its values are right."""
    if words[0].place is None or words[0].text == "--help":
        return
    try:
        parser.parse_known_args([word.text for word in words])
    except InputError as error:
        raise InputError(words[0].told(str(error))) from None


def _about_unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """What to tell of a word that is no known flag and no value of one."""
    if not word.startswith("-"):
        return f"{word!r} belongs to no flag; a motion file is given with --data-path FILE.npz"
    flag = word.split("=")[0]
    nearest = difflib.get_close_matches(flag, parser._option_string_actions, n=1, cutoff=0.0)[0]
    return f"unknown flag {flag}; did you mean {nearest}? (--help lists all)"
