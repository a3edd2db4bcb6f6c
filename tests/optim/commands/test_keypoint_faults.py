"""The measurement of keypoints that contradict each other: no false alarms, faults that are found, and its tables."""

from __future__ import annotations

import json

import pytest

from optim.commands.keypoint_faults import PAGE, fits_table, main
from optim.common.errors import InputError
from optim.evaluation.keypoint_faults import Errors, fitted
from optim.evaluation.protocols import Extract, Models
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
from tests.motions import write_walk
from tests.viewer.fakes import capsule_body


def test_tables_are_written_between_the_marks_of_a_page(tmp_path):
    write_walk(tmp_path / "walk_poses.npz")
    index = {"clips": [{"file": "walk_poses.npz", "split": "val"}]}
    (tmp_path / "index.json").write_text(json.dumps(index))
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["--data", str(tmp_path), "--frames", "30", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    found = text.partition("val found: begin -->")[2].partition("<!--")[0]
    assert found.count("0 of 1 |") == 3, "nothing of a made-up walk is doubted at any noise"
    assert "| one leg |" in found and "| all exchanged |" in found
    with pytest.raises(InputError, match="no clip of 300 frames"):
        main.__wrapped__(["--data", str(tmp_path), "--frames", "300", "--page", str(page)])


def test_a_window_is_fitted_with_and_without_the_doubts():
    problem = fakes.problem(frames=16, model=capsule_body)
    motion = Session(problem, schedule=schedule("humorscope", num_iters=(1, 0, 0), lbfgs_max_iter=1)).fit.trajectory()
    models = Models(problem.body, problem.pose_prior, problem.motion_prior, problem.init_state_prior)
    (found,) = fitted(Extract("made up", motion), models, ["limb away"], seed=0, num_iters=(1, 1, 0))
    assert found.fault == "limb away" and set(found.by_stage) == {2}
    assert len(found.by_stage[2]) == 3 and all(error > 0 for error in found.by_stage[2])


def test_errors_are_means_over_the_fits_of_a_fault():
    values = ("jump", (2.0, 6.0, 4.0)), ("jump", (3.0, 8.0, 5.0)), ("one leg", (2.0, 9.0, 3.0))
    rows = [Errors(fault, {2: errors}) for fault, errors in values]
    assert fits_table(rows).splitlines()[2:] == [
        "| jump | 2 | 2.50 | 7.00 | 4.50 |",
        "| one leg | 1 | 2.00 | 9.00 | 3.00 |",
    ]
