"""Results of every preset lie in the frame of the input, wherever its optimiser works."""

import numpy as np
import pytest
import torch

import assets
from optim.config.settings import parse
from optim.loading.problem import load_session
from optim.results.results import of_session
from optim.results.saving.humor_results import save_results
from tests.motions import walk_joints, write_walk
from viewer.worker.build_view import ViewBuilder

FRAMES = 10
PRESETS = ("reference", "humorscope")
NEAR = 0.5
"""Error [m] of a short fit with untrained priors; the two frames are more than 1 m apart."""


def words(model_files, folder, preset):
    path = write_walk(folder / "walk.npz", frames=FRAMES)
    schedule = ("--amass-seq-len", str(FRAMES), "--num-iters", "2", "2", "1", "--lbfgs-max-iter", "10")
    return parse([*model_files.flags(), "--data-path", str(path), "--preset", preset, *schedule])


@pytest.fixture(scope="module")
def fitted(model_files, tmp_path_factory):
    """Preset → its fit of the same clean motion."""
    sessions = {}
    for preset in PRESETS:
        sessions[preset] = load_session(words(model_files, tmp_path_factory.mktemp(preset), preset))
        sessions[preset].run()
    return sessions


@pytest.mark.parametrize("preset", PRESETS)
def test_results_lie_where_the_input_does(fitted, preset, tmp_path):
    session, true = fitted[preset], torch.from_numpy(walk_joints(frames=FRAMES)).float()
    (result,) = of_session(session.fit)
    torch.testing.assert_close(result.truth.joints[0], true, atol=1e-5, rtol=0)
    torch.testing.assert_close(result.observations.joints3d[0], true, atol=1e-5, rtol=0)
    for stage in ("stage2", "stage3_init", "stage3"):
        motion = result.motion(stage)
        assert (motion.joints[0, 0] - true[0]).norm(dim=-1).mean() < NEAR, stage
        rebuilt = result.body.joints(motion.trans, motion.root_orient, motion.pose_body, motion.betas)
        torch.testing.assert_close(motion.joints, rebuilt, atol=1e-5, rtol=0)

    (place,) = save_results(session, tmp_path, body_file=assets.BODY_FILE)
    with np.load(place / "stage3_results.npz") as stored:
        np.testing.assert_allclose(stored["trans"], result.motion().trans[0], atol=1e-6)
    with np.load(place / "observations.npz") as stored:
        np.testing.assert_allclose(stored["joints3d"], true, atol=1e-5)
    with np.load(place / "gt_results.npz") as stored:
        np.testing.assert_allclose(stored["trans"], result.truth.trans[0], atol=1e-6)

    builder = ViewBuilder(session)
    np.testing.assert_allclose(builder.scene.ground_truth.joints[0], true, atol=1e-5)
    np.testing.assert_allclose(builder.scene.observed.joints3d[0], true, atol=1e-5)
    np.testing.assert_allclose(builder.motion(session.fit.trajectory()).joints[0], result.motion().joints[0], atol=1e-5)


def test_two_presets_lie_in_one_frame(fitted):
    first, second = (of_session(fitted[preset].fit)[0].motion("stage2") for preset in PRESETS)
    assert (first.joints - second.joints).norm(dim=-1).mean() < NEAR
