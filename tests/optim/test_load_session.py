"""``from optim import load_session``: the one way in for scripts. Keywords are the flags of the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from optim import load_session
from optim.common.errors import InputError
from optim.config.settings import parse, settings_from

FLAGS = [
    ({}, []),
    ({"data": "getup", "observations": "joints2d"}, ["--data", "getup", "--observations", "joints2d"]),
    ({"num_iters": (3, 5, 3), "lbfgs_max_iter": 4}, ["--num-iters", "3", "5", "3", "--lbfgs-max-iter", "4"]),
    ({"joint3d_weight": [1, 2, 3.5]}, ["--joint3d-weight", "1", "2", "3.5"]),
    ({"up": "-y", "data_path": "x.npz", "degrees": True}, ["--up=-y", "--data-path", "x.npz", "--degrees"]),
    ({"degrees": False, "clip": None}, []),
]


@pytest.mark.parametrize(("options", "words"), FLAGS)
def test_keywords_mean_what_the_flags_mean(options, words):
    assert settings_from(options) == parse(words)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_iter": 3}, "--num-iter"),
        ({"observations": "joints4d"}, "joints4d"),
        ({"headless": True}, "--headless: a session from a script has no use for it"),
        ({"resume": "run.humorscope"}, "--resume"),
        ({"data": "getup", "data_path": "walk.npz"}, "choose one of them"),
    ],
)
def test_what_cannot_be_used_is_named(options, message):
    with pytest.raises(InputError, match=message):
        load_session(**options)


def test_a_session_is_what_the_command_line_describes():
    session = load_session(amass_seq_len=12, num_iters=(1, 0, 0), lbfgs_max_iter=2)
    assert session.problem.frames == 12 and len(session.schedule) == 1
    before = session.current.evaluation.total
    assert session.run().evaluation.total < before and session.done


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, optim; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'optim.session')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
