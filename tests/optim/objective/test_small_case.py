"""The objective against an implementation that shares no code with it (``slow.py``), from arrays kept in ``data/``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.objective.objective import Objective
from optim.objective.prediction import Parts, predict_rollout, turn_of
from optim.problem.variables import packing
from tests.optim.make_small_case import FILE, parts


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(FILE) as file:
        return {name: file[name] for name in file.files}


def group(arrays, prefix) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): torch.from_numpy(v) for k, v in arrays.items() if k.startswith(prefix)}


@pytest.mark.parametrize("name", ["stage 2", "stage 3"])
def test_terms_loss_and_slopes(arrays, name):
    problem, phase = parts()[name]
    variables = group(arrays, f"{name}/var/")
    objective, free = Objective(problem, phase), packing(variables, phase)
    point = objective.point(free.pack(variables), variables, free)
    terms = {label: value.raw for label, value in objective.evaluation(point, free).terms.items()}
    assert terms == {
        label: pytest.approx(float(value), rel=1e-9) for label, value in group(arrays, f"{name}/term/").items()
    }
    assert point.value == pytest.approx(float(arrays[f"{name}/loss"]), rel=1e-9)
    gradients, directions = free.split(point.gradient), group(arrays, f"{name}/direction/")
    assert {label.split("/")[0] for label in directions} == set(gradients)
    for label, way in directions.items():
        slope = float((gradients[label.split("/")[0]] * way).sum())
        assert slope == pytest.approx(float(arrays[f"{name}/slope/{label}"]), rel=2e-5, abs=1e-5), label


def test_rollout(arrays):
    problem, phase = parts()["stage 3"]
    variables = group(arrays, "stage 3/var/")
    predicted = predict_rollout(problem, variables, Parts(), frame=None, turn=turn_of(phase.preset))
    for label, value in group(arrays, "stage 3/rollout/").items():
        torch.testing.assert_close(getattr(predicted.in_prior.rollout, label)[0], value, rtol=0, atol=1e-7)


def test_our_own_turn_stays_near_the_published_one(arrays):
    """The exact canonical turn changes the loss by less than the bias of the published one can explain."""
    problem, phase = parts()["stage 3"]
    variables = group(arrays, "stage 3/var/")
    exact = replace(phase, preset=replace(phase.preset, turn="exact"))
    free = packing(variables, phase)
    ours = Objective(problem, exact).point(free.pack(variables), variables, free).value
    assert ours == pytest.approx(float(arrays["stage 3/loss"]), rel=1e-3)
