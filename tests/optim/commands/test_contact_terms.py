"""The choice of contact weights: what is measured, what is measured only once, and the tables."""

from __future__ import annotations

import math

import pytest
import torch

from optim.commands import contact_terms
from optim.commands.contact_terms import COLUMNS, build_parser, candidates, checked_tries, run, tables
from optim.common.errors import InputError
from optim.evaluation.contact_terms import BEFORE, DEPTH, IMAGES, TRUTH, case_of, figures, measure
from optim.evaluation.protocols import Extract, Models
from optim.problem.variables import Trajectory
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


@pytest.fixture(scope="module")
def clip() -> tuple[Extract, Models]:
    """a made-up clip of 5 frames that stands on the floor with its lowest joint."""
    problem = fakes.problem(frames=5)
    motion = Session(problem, schedule=schedule("humorscope", num_iters=(1, 1, 1), lbfgs_max_iter=1)).fit.trajectory()
    lift = torch.tensor([0.0, 0.0, 0.025]) - torch.tensor([0.0, 0.0, 1.0]) * motion.joints[..., 2].min()
    truth = Trajectory(motion.trans + lift, motion.root_orient, motion.pose_body, motion.betas, motion.joints + lift)
    models = Models(problem.body, problem.pose_prior, problem.motion_prior, problem.init_state_prior)
    return Extract("made up", truth), models


def row(way: str, clip: str = "a", **figures: float) -> dict:
    return {"clip": clip, "protocol": "noisy", "way": way} | dict.fromkeys(COLUMNS, 1.0) | figures


def test_the_truth_is_its_own_best_fit(clip):
    extract, models = clip
    case = case_of(extract, models, protocol="noisy", seed=0)
    found = figures(extract.truth, extract.truth, extract.truth, case)
    assert found["joints"] == found["aligned"] == 0.0
    assert math.isnan(found["hidden"]) and math.isnan(found["recall"])


def test_depth_shows_a_part_of_the_surface_and_the_floor(clip):
    extract, models = clip
    with_depth, without = (case_of(extract, models, protocol=name, seed=0).problem for name in (DEPTH, IMAGES))
    assert (with_depth.data_type, without.data_type) == ("rgbd", "rgb")
    assert (with_depth.floor_known, without.floor_known) == (True, False)
    seen = torch.isfinite(with_depth.observations.points3d).all(-1)
    assert 0 < seen.float().mean() < 1


def test_every_way_goes_on_from_the_same_end_of_stage_2(clip):
    extract, models = clip
    ways = candidates("gauss-newton", [(1.0, 2.0, 3.0)])
    found = list(measure(extract, models, ways, protocol="noisy", num_iters=(1, 1, 1), flat_gain=0.5))
    assert [one["way"] for one in found] == [TRUTH, BEFORE, "public", "planted", "1, 2, 3"]
    assert ways["1, 2, 3"][1]["floor_penetration"] == (0.0, 0.0, 3.0)
    after = [one for one in found if one["way"] not in (TRUTH, BEFORE)]
    assert all(0 <= one["recall"] <= 1 and one["seconds"] > 0 for one in after if not math.isnan(one["recall"]))
    assert all(one["joints"] > 0 for one in found[1:])


def test_nothing_is_measured_twice(monkeypatch, tmp_path, clip):
    extract, _ = clip
    asked = []

    def measured(extract, models, ways, *, protocol, **options):
        asked.append(list(ways))
        yield from (row(way, extract.name) for way in (TRUTH, BEFORE, *ways))

    monkeypatch.setattr(contact_terms, "measure", measured)
    monkeypatch.setattr(contact_terms, "choose_extracts", lambda *_, **__: [extract])
    for name in ("load_body", "load_pose_prior", "load_motion_prior", "load_init_state_prior"):
        monkeypatch.setattr(contact_terms, name, lambda *_: None)
    monkeypatch.setattr(contact_terms, "Models", lambda *_: type("Models", (), {"body": None}))
    words = ["--data", "x", "--csv", str(tmp_path / "f.csv"), "--protocols", "noisy"]
    for more in ([], ["--try", "noisy", "1", "2", "3"], ["--try", "noisy", "1", "2", "3"]):
        options = build_parser().parse_args(words + more)
        options.tries = checked_tries(options.tries)
        rows = run(options)
    assert asked == [["public", "planted"], ["1, 2, 3"]]
    assert [found["way"] for found in rows] == [TRUTH, BEFORE, "public", "planted", "1, 2, 3"]


def test_the_table_has_the_truth_first_and_leaves_out_what_is_not_known():
    rows = [row("public", recall=0.25), row("public", "b", recall=0.75), row(TRUTH, recall=math.nan)]
    lines = tables(rows, ["noisy"]).splitlines()
    assert lines[0] == "`noisy`, 2 clips:"
    assert lines[4].startswith("| truth | 1 |") and "|  |" in lines[4]
    assert lines[-1].startswith("| public | 2 |") and "| 0.50 |" in lines[-1]


@pytest.mark.parametrize(
    ("given", "said"), [(["nosy", "1", "2", "3"], "noisy"), (["noisy", "1", "x", "3"], "three numbers")]
)
def test_a_wrong_try_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        checked_tries([given])
