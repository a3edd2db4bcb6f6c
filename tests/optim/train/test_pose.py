"""Training of the pose prior: augmentation, learning, resuming, the folder it writes, figures and picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

import assets
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.loading.models import load_body
from optim.priors.pose_prior import PosePrior, load_pose_prior, new_network
from optim.train.__main__ import main
from optim.train.evaluate_pose import draw_poses, evaluate
from optim.train.pose import (
    PoseRecipe,
    PoseTrainer,
    joint_positions,
    mirror_pose,
    save_vposer_folder,
    swap_limbs,
)

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
TINY = PoseRecipe(steps=40, batch=64, warm_up=5)
LEFT, RIGHT = [1, 4, 7, 10, 13, 16, 18, 20], [2, 5, 8, 11, 14, 17, 19, 21]


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FOLDER)


@pytest.fixture(scope="module")
def poses() -> torch.Tensor:
    """Poses along three directions of pose space: something to learn."""
    generator = torch.Generator().manual_seed(0)
    directions = 0.3 * torch.randn(3, 63, generator=generator)
    turns = torch.randn(400, 3, generator=generator) @ directions
    return axis_angle_to_matrix(turns.unflatten(1, (21, 3)))


def write_clips(folder, *, subjects=("a", "b"), frames: int = 40):
    rng = np.random.default_rng(0)
    for subject in subjects:
        poses = np.zeros((frames, 156))
        poses[:, 3:66] = 0.3 * np.sin(np.linspace(0, 6, frames)[:, None] + rng.uniform(0, 6, 63))
        (folder / subject).mkdir(parents=True)
        arrays = {
            "trans": np.zeros((frames, 3)),
            "poses": poses,
            "betas": np.zeros(16),
            "mocap_framerate": 30.0,
        }
        np.savez(folder / subject / "clip_poses.npz", **arrays, gender="neutral")
    return folder


def test_mirrored_pose_puts_the_joints_in_the_mirror(body):
    """The free body is symmetric, so its mirrored pose has the mirrored joints, sides exchanged."""
    pose = 0.5 * torch.randn(5, 21, 3)
    joints_of = joint_positions(body)
    joints, seen = (joints_of(axis_angle_to_matrix(p)) for p in (pose, mirror_pose(pose)))
    expected = joints * torch.tensor([-1.0, 1.0, 1.0])
    expected[:, LEFT + RIGHT] = expected[:, RIGHT + LEFT]
    torch.testing.assert_close(seen, expected, atol=1e-3, rtol=0)
    assert torch.equal(mirror_pose(mirror_pose(pose)), pose)


def test_swapped_limbs_are_whole_and_the_trunk_stays():
    mixed = swap_limbs(torch.zeros(8, 21, 3), torch.ones(8, 21, 3))[..., 0]
    taken = [{int(j) + 1 for j in row.nonzero()} for row in mixed]
    assert taken[:4] == [{1, 2, 4, 5, 7, 8, 10, 11}] * 4
    assert taken[4:6] == [set(LEFT[4:])] * 2 and taken[6:] == [set(RIGHT[4:])] * 2


def test_training_lowers_the_joint_error(poses, body):
    trainer = PoseTrainer(poses, body, TINY)
    losses = [trainer.step() for _ in range(TINY.steps)]
    assert np.mean([x.joint_error for x in losses[-5:]]) < 0.6 * np.mean([x.joint_error for x in losses[:5]])
    assert all(np.isfinite(x.total) for x in losses)


def test_bfloat16_training_learns_too(poses, body):
    trainer = PoseTrainer(poses, body, TINY, half=True)
    losses = [trainer.step() for _ in range(TINY.steps)]
    assert np.mean([x.joint_error for x in losses[-5:]]) < 0.6 * np.mean([x.joint_error for x in losses[:5]])
    assert all(p.dtype == torch.float32 for p in trainer.network.parameters())


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=NEEDS_GPU)])
def test_every_tensor_of_a_step_is_on_the_device_of_the_run(poses, body, device, monkeypatch):
    """A tensor that was left on the processor cannot be combined with those of "meta", which have no values."""
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", False)  # it would read values
    trainer = PoseTrainer(poses, body, TINY, device=device)
    total, numbers = trainer._loss(trainer._draw(), kl_weight=1.0)
    total.backward()
    torch.nn.utils.clip_grad_norm_(trainer.network.parameters(), TINY.gradient_norm)
    trainer.optimiser.step()
    assert {x.device.type for x in (total, numbers, *trainer.network.parameters())} == {device}
    trainer.noise = trainer.noise.cpu() if device == "cuda" else torch.zeros(trainer.noise.shape)
    with pytest.raises(RuntimeError, match="device"):
        trainer._loss(trainer._draw(), kl_weight=1.0)


@NEEDS_GPU
def test_a_run_on_a_gpu_learns_and_is_continued(poses, body, tmp_path):
    trainer = PoseTrainer(poses, body, TINY, device="cuda", half=True)
    errors = [trainer.step().joint_error for _ in range(TINY.steps - 4)]
    assert np.mean(errors[-5:]) < 0.6 * np.mean(errors[:5])
    trainer.save(tmp_path / "last.pth")
    whole = [trainer.step().total for _ in range(4)]
    resumed = PoseTrainer(poses, body, TINY, device="cuda", half=True)
    resumed.resume(tmp_path / "last.pth")
    assert [resumed.step().total for _ in range(4)] == pytest.approx(whole, rel=1e-3)
    load_pose_prior(save_vposer_folder(trainer.network, tmp_path / "out", notes={}).parent.parent)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path, capsys):
    data = write_clips(tmp_path / "data")
    assert main(["pose-prior", "--data", str(data), "--out", str(tmp_path / "out"), "--device", "cuda"]) == 2
    assert "--device" in capsys.readouterr().err


def test_resumed_run_equals_an_unbroken_one(poses, body, tmp_path):
    unbroken = PoseTrainer(poses, body, TINY)
    whole = [unbroken.step() for _ in range(12)]
    broken = PoseTrainer(poses, body, TINY)
    for _ in range(6):
        broken.step()
    broken.save(tmp_path / "last.pth")
    torch.randn(100)  # something else uses random numbers meanwhile
    resumed = PoseTrainer(poses, body, TINY)
    resumed.resume(tmp_path / "last.pth")
    assert [resumed.step() for _ in range(6)] == whole[6:]
    for ours, theirs in zip(resumed.network.parameters(), unbroken.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_checkpoint_of_another_recipe_or_another_kind_is_refused(poses, body, tmp_path):
    PoseTrainer(poses, body, TINY).save(tmp_path / "last.pth")
    other = PoseTrainer(poses, body, replace(TINY, kl=7.0))
    with pytest.raises(InputError, match=r"last.pth: was begun with kl 2"):
        other.resume(tmp_path / "last.pth")
    torch.save(torch.ones(3), tmp_path / "other.pth")
    with pytest.raises(InputError, match="other.pth: not a checkpoint"):
        other.resume(tmp_path / "other.pth")


def test_schedules_start_low_and_end_where_the_recipe_says():
    recipe = PoseRecipe()
    rates = [recipe.learning_rate_at(step) for step in range(recipe.steps + 1)]
    assert max(rates) == pytest.approx(recipe.learning_rate, rel=0.01)
    assert rates[0] < 0.01 * recipe.learning_rate and rates[-1] == pytest.approx(0.01 * recipe.learning_rate)
    assert recipe.kl_at(0) == 0 and recipe.kl_at(recipe.steps) == recipe.kl


def test_written_folder_is_read_by_both_loaders(tmp_path):
    from human_body_prior.tools.model_loader import load_vposer
    from human_body_prior.train.vposer_smpl import VPoser

    torch.manual_seed(0)
    network = new_network()
    network.bodyprior_enc_bn1.running_mean.normal_()
    snapshot = save_vposer_folder(network, tmp_path, notes={"remark": "a test"})
    assert snapshot.stat().st_size < 2_000_000
    theirs, settings = load_vposer(str(tmp_path), vp_model=VPoser)
    assert settings.remark == "a test"
    ours = load_pose_prior(tmp_path)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(ours.network.state_dict()[key], value, atol=1e-3, rtol=1e-3)
        assert torch.equal(ours.network.state_dict()[key], theirs.state_dict()[key])


def test_figures_tell_a_good_prior_from_an_untrained_one(poses, body):
    trainer = PoseTrainer(poses, body, replace(TINY, steps=150))
    untrained = evaluate(PosePrior(new_network()), poses, poses, body, samples=50)
    for _ in range(150):
        trainer.step()
    trained = evaluate(PosePrior(trainer.network), poses, poses, body, samples=50)
    assert trained.joints < 0.5 * untrained.joints
    assert trained.sample_to_train < untrained.sample_to_train
    assert trained.data_to_train == pytest.approx(0, abs=0.01)  # measured against themselves
    assert len(trained.lines()) == 10


def test_picture_shows_a_body_in_every_cell(body, poses):
    picture = draw_poses(poses[:5], body, columns=3, cell=(60, 80))
    assert picture.shape == (160, 180) and picture.dtype == np.uint8
    shares = [(picture[y : y + 80, x : x + 60] < 255).mean() for y in (0, 80) for x in (0, 60, 120)]
    assert all(0.05 < share < 0.5 for share in shares[:5]) and shares[5] == 0


def test_commands_train_resume_measure_and_draw(tmp_path, capsys):
    data, out = write_clips(tmp_path / "data"), tmp_path / "vposer"
    train = ["pose-prior", "--data", str(data), "--out", str(out), "--steps", "4", "--batch", "16"]
    assert main(train) == 0
    assert main(train) == 0
    assert "continuing from" in capsys.readouterr().err
    measure = ["evaluate-pose-prior", "--data", str(data), "--vposer", str(out)]
    assert main([*measure, "--picture", str(tmp_path / "samples.png")]) == 0
    assert "joints_end_effectors" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "samples.png")) is not None
    assert main([*train, "--kl", "3"]) == 2
    assert "was begun with kl" in capsys.readouterr().err
