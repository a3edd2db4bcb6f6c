"""The choice of contact weights: what is measured, what is measured only once, and the tables."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from optim.body.contacts import label_contacts
from optim.body.joints import CONTACT_JOINTS
from optim.commands import contact_terms
from optim.commands.contact_terms import COLUMNS, build_parser, candidates, checked_tries, run, tables
from optim.common.errors import InputError
from optim.config.options import MEASURED_POINTS
from optim.evaluation.contact_terms import BEFORE, DEPTH, IMAGES, TRUTH, case_of, figures, measure
from optim.evaluation.protocols import Extract, Models
from optim.problem.variables import Trajectory
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
from tests.viewer.fakes import capsule_body

PER_FRAME = ("trans", "root_orient", "pose_body", "joints")


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


def moved(motion: Trajectory, by: torch.Tensor) -> Trajectory:
    """A motion moved by (T, 3) [m]."""
    return replace(motion, trans=motion.trans + by, joints=motion.joints + by[:, None])


def test_a_standing_foot_is_measured_while_it_stands(clip):
    """The body stands for three frames, moves on by 5 cm, and stands again for one transition too few."""
    extract, models = clip
    still = {n: getattr(extract.truth, n)[:, :1].expand(1, 5, *getattr(extract.truth, n).shape[2:]) for n in PER_FRAME}
    away = torch.zeros(5, 3)
    away[3:, 0] = 0.05
    truth = moved(replace(extract.truth, **still), away)
    case = case_of(Extract("still", truth), models, protocol="noisy", seed=0)
    off = torch.zeros(5, 3)
    off[:, 2] = torch.tensor([0.0, -0.01, 0.01, 0.3, 0.3])
    labels = torch.zeros(1, 5, 22)
    labels[0, :, list(CONTACT_JOINTS)] = label_contacts(truth.joints[0])
    fitted = replace(moved(truth, off), contacts=labels)
    found = figures(fitted, truth, fitted, case)
    assert found["planted_mm"] == pytest.approx(15.0, abs=1e-3), "10 and 20 mm"
    assert found["sole_cm"] == pytest.approx(1.0, abs=1e-3), "below and above alike"
    assert found["recall"] == found["precision"] == 1.0
    everything = replace(fitted, contacts=torch.ones(1, 5, 22))
    found = figures(everything, truth, moved(truth, off - torch.tensor([0.0, 0.0, 1.0])), case)
    assert found["recall"] == 1.0 > found["precision"] > 0.0
    assert found["float_cm"] == 0.0 and found["depth_cm"] > 50.0


def test_depth_shows_a_part_of_the_surface_and_the_floor(clip):
    extract, models = clip
    with_depth, without = (case_of(extract, models, protocol=name, seed=0).problem for name in (DEPTH, IMAGES))
    assert (with_depth.data_type, without.data_type) == ("rgbd", "rgb")
    assert (with_depth.floor_known, without.floor_known) == (True, False)
    seen = torch.isfinite(with_depth.observations.points3d).all(-1)
    assert 0 < seen.float().mean() < 1


def test_a_depth_cloud_weighs_as_much_as_a_measured_one(monkeypatch, clip):
    extract, models = clip
    given = []

    def noted(*_, weights, **__):
        given.append(weights)
        return schedule("gauss-newton", "rgbd", num_iters=(1, 1, 1), lbfgs_max_iter=1)

    monkeypatch.setattr("optim.evaluation.contact_terms.schedule", noted)
    next(measure(extract, models, candidates("gauss-newton", []), protocol=DEPTH))
    cloud = case_of(extract, models, protocol=DEPTH, seed=0).problem.observations.points3d
    seen = torch.isfinite(cloud).all(-1).sum(-1).float().mean()
    assert all(seen * one["points3d"][2] == pytest.approx(MEASURED_POINTS, rel=0.5) for one in given) and given


def test_depth_shows_the_side_that_looks_at_the_camera(clip):
    extract, models = clip
    body, truth = capsule_body(), extract.truth  # closed surfaces
    case = case_of(extract, replace(models, body=body), protocol=DEPTH, seed=0)
    mesh = case.to_world.points_back(body.mesh(truth.trans, truth.root_orient, truth.pose_body, truth.betas))
    cloud = case.problem.observations.points3d
    assert cloud[torch.isfinite(cloud).all(-1)][:, 2].mean() < mesh[..., 2].mean() - 0.02


def test_every_way_goes_on_from_the_same_end_of_stage_2(clip):
    extract, models = clip
    ways = candidates("gauss-newton", [(1.0, 2.0, 3.0)])
    ways = {**ways, "again": ways["public"]}
    found = list(measure(extract, models, ways, protocol="noisy", num_iters=(1, 1, 1), flat_gain=0.5))
    assert [one["way"] for one in found] == [TRUTH, BEFORE, "public", "planted", "1, 2, 3", "again"]
    first, again = ({**found[k], "way": "", "seconds": 0.0} for k in (2, 5))
    assert repr(first) == repr(again), "also NaN"
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
    monkeypatch.setattr(contact_terms, "models_of", lambda _: type("Models", (), {"body": None}))
    words = ["--data", "x", "--csv", str(tmp_path / "f.csv"), "--protocols", "noisy"]
    for more in ([], ["--try", "noisy", "1", "2", "3"], ["--try", "noisy", "1", "2", "3"]):
        options = build_parser().parse_args(words + more)
        options.tries = checked_tries(options.tries)
        rows = run(options)
    assert asked == [["public", "planted"], ["1, 2, 3"]]
    assert [found["way"] for found in rows] == [TRUTH, BEFORE, "public", "planted", "1, 2, 3"]


def test_the_table_has_the_truth_first_and_leaves_out_what_is_not_known():
    rows = [row("public", recall=0.25), row("public", "b", recall=0.75), row(TRUTH, recall=math.nan)]
    lines = tables(rows).splitlines()
    assert lines[0] == "`noisy`, 2 clips:"
    assert lines[4].startswith("| truth | 1 |") and "|  |" in lines[4]
    assert lines[-1].startswith("| public | 2 |") and "| 0.50 |" in lines[-1]


@pytest.mark.parametrize(
    ("given", "said"), [(["nosy", "1", "2", "3"], "noisy"), (["noisy", "1", "x", "3"], "three numbers")]
)
def test_a_wrong_try_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        checked_tries([given])
