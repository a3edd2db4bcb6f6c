"""Parse the command line with the declared options, and accept the flags of HuMoR that have no effect here."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from optim.common.errors import InputError
from optim.common.logs import add_log_options
from optim.common.versions import started_as
from optim.config.command_line import Word, words_of
from optim.config.declaring import add_options
from optim.config.options import FIT, GROUPS, HumorFlags, Settings
from optim.schedule.weights import WEIGHT_FLAGS, WEIGHT_HELP

_ONE_CLIP = "one clip is fitted at a time"
_ONE_NETWORK = "HuMoR's published architecture is the only one"
_NO_IMAPPER = "iMapper's scenes are not read"
WITHOUT_EFFECT: dict[str, tuple[int, str]] = {
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
"""Flags of HuMoR that have no effect here → number of values (0 or 1) and reason.

They are accepted, and a notice names them with the reason.
"""


OF_TRAINING = frozenset(
    f"--{name}"
    for name in (
        *(
            "dataset",
            "data-paths",
            "model",
            "epochs",
            "sched-milestones",
            "sched-decay",
            "kl-loss",
            "kl-loss-anneal-end",
        ),
        *("save-every", "print-every", "val-every", "sampled-frames", "train-sampled-frames", "sample-num-frames"),
        *("data-return-config", "model-data-config", "conditional-prior", "latent-size", "contacts-loss", "ckpt"),
        *(
            "eval-sampling",
            "eval-recon",
            "test-on-train",
            "steps-in",
            "in-rot-rep",
            "out-rot-rep",
            "model-smpl-batch-size",
        ),
    )
)
"""Flags of HuMoR's configurations of training and evaluation, which are no configurations of a fit."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises InputError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message.removeprefix('argument ')}; --help lists the flags")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser. Options that are not given are absent from its result."""
    parser = _Parser(
        prog=started_as(),
        description="Step through HuMoR's test-time optimisation in a window, or run it --headless.",
        usage=f"{started_as()} [flags] [@file.cfg]",
        epilog=f"Flags can stand in a file, as HuMoR's .cfg: {started_as()} @my.cfg --seed 1. Later ones win."
        f" Accepted without effect: {' '.join(WITHOUT_EFFECT)}.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    add_options(groups, Settings)
    add_options(groups, HumorFlags)
    for flag, name in WEIGHT_FLAGS.items():
        text = f"weight in stages 1, 2, 3 of: {WEIGHT_HELP[name]}"
        groups[FIT].add_argument(flag, type=float, nargs=3, metavar="W", help=text)
    add_log_options(parser)
    parser.add_argument("--version", action="store_true", help="print the versions of the program, Python and torch")
    for flag, (values, _) in WITHOUT_EFFECT.items():
        parser.add_argument(flag, action="store" if values else "store_true", help=argparse.SUPPRESS)
    return parser


def dest(flag: str) -> str:
    """Name of a flag's value in the parser's result: ``--joint3d-weight`` → ``joint3d_weight``."""
    return flag.removeprefix("--").replace("-", "_")


def read_flags(arguments: Sequence[str]) -> dict[str, Any]:
    """Values of the flags that are given, by ``dest``. ``@file.cfg`` stands for the words in that file.

    Raises:
        InputError: A flag is unknown (the message names the nearest known one), or a value is wrong. The message names
            the line if the flag stands in a file.
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
    """Parse one flag from a file with its values alone, so that an error names the file and the line."""
    if words[0].place is None or words[0].text == "--help":
        return
    try:
        parser.parse_known_args([word.text for word in words])
    except InputError as error:
        raise InputError(words[0].told(str(error))) from None


def _about_unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """Message about a word that is neither a known flag nor a value of one."""
    if not word.startswith("-"):
        return f"{word!r} belongs to no flag; a motion file is given with --data-path FILE.npz"
    flag = word.split("=")[0]
    if flag in OF_TRAINING:
        return (
            f"{flag} belongs to HuMoR's training or evaluation, so this is no configuration of a fit; take one of"
            " HuMoR's fit_*.cfg (the priors are trained here with python -m optim.train)"
        )
    nearest = difflib.get_close_matches(flag, parser._option_string_actions, n=1, cutoff=0.0)[0]
    return f"unknown flag {flag}; did you mean {nearest}? (--help lists all)"
