"""One row of figures a stage: they are those of the diagnostics, and read as a table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optim.diagnostics.agreement import reprojection
from optim.diagnostics.summary import StageFigures, stage_figures, table
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


def test_figures_are_those_of_the_diagnostics():
    session = Session(
        fakes.problem("joints2d", frames=6),
        schedule=schedule("humorscope", "rgb", num_iters=(2, 1, 1), lbfgs_max_iter=3),
    )
    session.finish_stage()
    row = stage_figures(session.fit, session.current, name="stage 1", minutes=0.5)
    seen = reprojection(session.fit)
    assert row.reprojection_px == pytest.approx(np.median(seen.error_px[seen.used]))
    assert row.loss == float(session.current.evaluation.total)
    assert row.penetration_cm >= 0 and 0 <= row.deep_share <= 1


def test_without_an_image_there_is_no_reprojection():
    session = Session(fakes.problem(frames=6), schedule=schedule(num_iters=(1, 0, 0), lbfgs_max_iter=1))
    assert math.isnan(stage_figures(session.fit, session.current, name="", minutes=0).reprojection_px)


def test_the_table_is_markdown():
    text = table([StageFigures("stage 2", 1.25, 3.0, 4.44, 5.55, 0.6, 0.25)])
    assert text.splitlines()[-1] == "| stage 2 | 1.2 | 4.4 | 5.5 | 0.6 | 25 % |"
    assert len({line.count("|") for line in text.splitlines()}) == 1
