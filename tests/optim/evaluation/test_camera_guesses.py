"""Guesses are held against the truth of made-up cameras: no error where the guess is the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import assets
from optim.commands.camera_guesses import floor_table, focal_table, line
from optim.evaluation.camera_guesses import KEPT, floor_rows, focal_row
from optim.evaluation.images import IMAGE_SIZE, LEVEL, TILTED, others_seen, picture
from optim.evaluation.protocols import Extract, Models, pictured, seed_of
from optim.keypoints.focal_length import SHARES
from optim.loading.clip import trajectory
from optim.loading.demo import find_clip, read_demo
from optim.loading.models import load_body
from tests import fakes


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FOLDER)


@pytest.fixture(scope="module")
def walk(body) -> Extract:
    return Extract("walk", trajectory(read_demo(find_clip("default_walk_turn")).motion, slice(0, 30), body))


def models_with(body) -> Models:
    small = fakes.problem("joints2d", batch=1, frames=6)
    return Models(body, small.pose_prior, small.motion_prior, small.init_state_prior)


def test_the_floor_of_a_kept_motion_is_guessed_without_a_fit(body, walk, tmp_path):
    models = models_with(body)
    problem, taken = pictured([walk], models, TILTED, [seed_of(walk, 3)])
    truth = problem.ground_truth
    np.savez(tmp_path / f"images-tilted-3-{problem.name}.npz", **{name: getattr(truth, name).numpy() for name in KEPT})
    how = {"protocol": "images-tilted", "seed": 3, "num_iters": (1, 1), "keep": tmp_path}
    (row,) = floor_rows([walk], models, **how)
    assert abs(row["height_error"]) < 4.0 and row["tilt_error"] < 6.0
    assert row["tilt_error"] == pytest.approx(math.hypot(row["pitch_error"], row["roll_error"]), rel=0.35, abs=0.5)
    up = taken.floor[0, :3].double().numpy()
    assert math.degrees(math.asin(up[2])) == pytest.approx(row["true_pitch"], abs=1e-3)


def test_a_focal_length_is_drawn_among_those_that_are_compared_and_held_against_the_truth(body, walk):
    row = focal_row(walk, [walk, walk], body, LEVEL, seed=1)
    assert SHARES[0] <= row["true_focal"] / max(IMAGE_SIZE) <= SHARES[-1]
    assert 0.0 < row["focal_stated"] < 0.6 and abs(row["focal_error"]) < 4.0 * row["focal_stated"]
    assert focal_row(walk, [walk, walk], body, LEVEL, seed=1) == row


def test_other_people_stand_on_the_same_floor_and_are_seen_in_the_image_only(body, walk):
    taken = picture(walk.truth, body, LEVEL, generator=torch.Generator().manual_seed(2))
    (seen,) = others_seen(taken, walk.truth, [walk.truth], body, generator=torch.Generator().manual_seed(4))
    found = seen[seen[..., 2] > 0][:, :2]
    assert len(found) and (found >= 0).all() and (found <= torch.tensor(IMAGE_SIZE)).all()
    assert not torch.equal(seen, taken.keypoints)


def test_tables_count_how_often_the_truth_is_within_what_is_stated():
    errors, stated = np.array([0.5, -1.5, 3.0, 0.0]), np.ones(4)
    assert line("a", "pitch", errors, stated, "°") == "| a | pitch | 1.0° | 2.6° | 1.0° | 50 % | 75 % |"
    words = {f"{name}_{word}": 1.0 for name in ("pitch", "roll", "height") for word in ("error", "stated")}
    assert floor_table([{"protocol": "images", "tilt_error": 2.0, **words}]).count("\n") == 5
    known = {"focal_error": 0.1, "focal_stated": 0.2, "guess_error": -0.4}
    table = focal_table({"one person": [known, {**known, "focal_error": math.nan}]})
    assert "one person, 1 of 2 clips | focal length | 10.0 %" in table and "| the usual one | 40.0 % |" in table
