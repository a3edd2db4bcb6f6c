"""Training of the motion prior: windows, labels, learning, resuming, reading any folder."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import assets
from optim.body.contacts import label_contacts
from optim.common.errors import InputError
from optim.loading.models import load_body, load_motion_prior
from optim.priors.rollout import JOINTS, ROOT, State, apply_change, canonical_pairs
from optim.train.__main__ import main
from optim.train.data import Augmenter, find_clips, load_clips
from optim.train.evaluate import evaluate, foot_skate
from optim.train.motion import MotionTrainer, Recipe, pack

TINY = Recipe(
    linear_start=0,
    updates=24,
    transitions=20,
    fewest_windows=2,
    window_growth=((0.0, 5),),
    learning_rate=1e-3,
    supervised=0.5,
    full_closed_loop=0.6,
)


def write_clip(path, *, frames: int = 50, seed: int = 0) -> None:
    """A body that stands and walks on the spot: slow random turns of all joints."""
    rng = np.random.default_rng(seed)
    phase = np.linspace(0, 4, frames)[:, None]
    poses = np.zeros((frames, 156))
    poses[:, 3:66] = 0.2 * np.sin(phase + rng.uniform(0, 6, 63))
    poses[:, 0] = np.pi / 2
    trans = np.stack((0.5 * phase[:, 0], 0.1 * np.sin(phase[:, 0]), np.full(frames, 0.90)), axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, trans=trans, poses=poses, betas=np.zeros(16), mocap_framerate=30.0, gender="neutral")


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FOLDER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("motion")
    for number, subject in enumerate(("a", "a", "b")):
        write_clip(root / subject / f"{number}_poses.npz", seed=number, frames=80)
    return root


@pytest.fixture(scope="module")
def clips(folder, body):
    return load_clips(folder, body)


def test_windows_stay_within_their_clip(clips):
    starts = clips.windows(10)
    edges = torch.tensor(clips.starts)
    for start in starts.tolist():
        clip = int((edges <= start).sum()) - 1
        assert edges[clip] <= start - 1 and start + 10 < edges[clip + 1] + 1
    assert len(starts) == 3 * (80 - 11)


def test_split_by_subject_or_by_index(folder, tmp_path):
    train, val = find_clips(folder, split="train"), find_clips(folder, split="val")
    assert {p.parent.name for p in train} == {"a"} and {p.parent.name for p in val} == {"b"}
    write_clip(tmp_path / "x" / "1_poses.npz")
    write_clip(tmp_path / "x" / "2_poses.npz")
    table = {"clips": [{"file": "x/1_poses.npz", "split": "val"}, {"file": "x/2_poses.npz", "split": "train"}]}
    (tmp_path / "index.json").write_text(json.dumps(table))
    assert [p.name for p in find_clips(tmp_path, split="val")] == ["1_poses.npz"]


def test_empty_folder_is_named(tmp_path, body):
    with pytest.raises(InputError, match=str(tmp_path)):
        load_clips(tmp_path, body)


def test_windows_are_canonical_on_any_body_turned_or_mirrored(clips, body):
    windows = Augmenter(clips, body, torch.Generator().manual_seed(0)).draw(32, 6)
    state = State.from_flat(windows.flat)
    torch.testing.assert_close(state.trans[:, 0, :2], torch.zeros(32, 2), rtol=0, atol=1e-5)
    right = -windows.flat[:, 0, ROOT].reshape(-1, 3, 3)[:, :, 0]
    torch.testing.assert_close(right[:, 1], torch.zeros(32), rtol=0, atol=1e-5)
    own = body.joints(state.trans, state.root_orient, state.pose_body, windows.betas)
    torch.testing.assert_close(own, state.joints, rtol=0, atol=1e-4)
    assert windows.betas.abs().sum(1).gt(0).float().mean() > 0.3


def test_yaw_does_not_matter_and_mirroring_twice_is_nothing(clips, body):
    augmenter = Augmenter(clips, body, torch.Generator())
    start, zero = torch.tensor([5]), torch.zeros(1, 16)
    still, flipped = torch.tensor([False]), torch.tensor([True])
    plain = augmenter.cut(start, 4, mirrored=still, yaw=torch.tensor([0.0]), betas=zero)
    turned = augmenter.cut(start, 4, mirrored=still, yaw=torch.tensor([1.3]), betas=zero)
    torch.testing.assert_close(turned.flat, plain.flat, rtol=0, atol=1e-4)
    mirror = augmenter.cut(start, 4, mirrored=flipped, yaw=torch.tensor([0.0]), betas=zero)
    joints, image = (w.flat[0, :, JOINTS].unflatten(-1, (22, 3)) for w in (plain, mirror))
    length = lambda x, a, b: (x[:, a] - x[:, b]).norm(dim=-1)  # noqa: E731
    torch.testing.assert_close(length(joints, 20, 7), length(image, 21, 8), rtol=0, atol=2e-3)
    torch.testing.assert_close(length(joints, 20, 8), length(image, 21, 7), rtol=0, atol=2e-3)


def test_another_body_still_stands_on_the_floor(clips, body):
    augmenter = Augmenter(clips, body, torch.Generator())
    betas = torch.zeros(2, 16)
    betas[1, 0] = 2.0
    both = augmenter.cut(
        torch.tensor([5, 5]), 4, mirrored=torch.zeros(2, dtype=torch.bool), yaw=torch.zeros(2), betas=betas
    )
    lowest = both.flat[:, :, JOINTS].unflatten(-1, (22, 3))[..., 2].amin((1, 2))
    assert abs(float(lowest[0] - lowest[1])) < 0.02
    assert float((both.flat[0] - both.flat[1]).abs().max()) > 0.02  # it is another body


def test_contacts_need_slowness_and_height():
    joints = torch.ones(4, 22, 3)
    joints[:, 10, 2] = 0.03
    joints[:, 11, 2] = 0.03
    joints[:, 11, 0] = torch.arange(4) * 0.02
    labels = label_contacts(joints)
    assert labels[:, 5].tolist() == [1, 1, 1, 1]
    assert labels.sum() == 4


def test_training_learns(clips, body):
    trainer = MotionTrainer(clips, body, TINY, half=False)
    losses = [sum(terms.values()) for terms in trainer.steps(until=12)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[9:12]) < 0.6 * np.mean(losses[:3])


def test_bfloat16_training_descends_along_nearly_the_same_gradient(clips, body):
    full, half = (MotionTrainer(clips, body, TINY, half=half) for half in (False, True))
    terms, near = full.step(), half.step()
    assert near == {name: pytest.approx(value, rel=0.05, abs=1e-3) for name, value in terms.items()}
    for (name, value), rounded in zip(full.model.named_parameters(), half.model.parameters(), strict=True):
        assert rounded.dtype == rounded.grad.dtype == torch.float32
        assert float((rounded.grad - value.grad).norm()) <= 0.1 * float(value.grad.norm()), name


def test_the_linear_start_predicts_and_uses_its_latent(clips, body):
    """Before any update the networks do what four regressions do; the latent tells jerks that nobody can foresee."""
    generator = torch.Generator().manual_seed(4)
    clips = replace(clips, trans=clips.trans + 0.02 * torch.randn(clips.trans.shape, generator=generator))
    windows = Augmenter(clips, body, torch.Generator().manual_seed(5)).draw(64, 2)
    past, now = (x[:, 0] for x in canonical_pairs(windows.flat, windows.pivot))
    errors = {}
    for size in (0, 1000):
        model = MotionTrainer(clips, body, replace(TINY, linear_start=size), half=False).model
        with torch.no_grad():
            mean, _ = model.posterior(past, now)
            for name, latent in (("said", mean), ("nothing said", torch.zeros_like(mean))):
                states, _ = apply_change(past, model.decode(past, latent))
                errors[size, name] = float((states - now)[:, JOINTS].norm(dim=1).mean())
    assert errors[1000, "said"] < 0.5 * errors[0, "said"]
    assert errors[1000, "said"] < 0.8 * errors[1000, "nothing said"]


@pytest.mark.parametrize("at", [5, 18], ids=["supervised", "closed loop"])
def test_resumed_run_equals_an_unbroken_one(clips, body, tmp_path, at):
    unbroken = MotionTrainer(clips, body, TINY, half=False)
    list(unbroken.steps(until=at))
    unbroken.save(tmp_path / "last.pth")
    list(unbroken.steps(until=at + 3))
    resumed = MotionTrainer(clips, body, TINY, half=False)
    resumed.resume(tmp_path / "last.pth")
    list(resumed.steps(until=at + 3))
    for one, other in zip(unbroken.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_packed_checkpoint_is_one_that_the_fit_loads(clips, body, tmp_path):
    trainer = MotionTrainer(clips, body, TINY, half=False)
    trainer.step()
    trainer.save(tmp_path / "last.pth")
    pack(tmp_path / "last.pth", tmp_path / "best_model.pth")
    loaded = load_motion_prior(tmp_path / "best_model.pth")
    past = torch.randn(3, 339)
    torch.testing.assert_close(loaded.prior(past)[0], trainer.model.eval().prior(past)[0], rtol=0, atol=5e-3)
    assert (tmp_path / "best_model.pth").stat().st_size < 20e6


def test_resuming_from_something_else_is_refused(clips, body, tmp_path):
    torch.save({"model": {}}, tmp_path / "last.pth")
    with pytest.raises(InputError, match="last.pth"):
        MotionTrainer(clips, body, TINY).resume(tmp_path / "last.pth")


@pytest.mark.slow
def test_command_trains_measures_and_resumes(folder, tmp_path, capsys):
    train = ["motion-prior", "--data", str(folder), "--out", str(tmp_path), "--transitions", "40"]
    train += ["--no-bfloat16"]  # which many processors have to imitate, slowly
    assert main([*train, "--updates", "2"]) == 0
    assert main([*train, "--updates", "3"]) == 0
    assert "at update 2" in capsys.readouterr().err
    checkpoint = str(tmp_path / "best_model.pth")
    assert main(["evaluate", "--data", str(folder), "--humor", checkpoint, "--split", "all", "--frames", "8"]) == 0
    assert "one_step_joints" in capsys.readouterr().out


def test_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["motion-prior", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_evaluation_of_an_untrained_prior_is_bad(clips, body):
    report = evaluate(MotionTrainer(clips, body, TINY).model, clips, body, frames=10, samples=4)
    assert report.windows > 10
    assert report.one_step_joints > 0.5 and report.skate_data_mm > 0


def test_foot_skate_counts_feet_on_the_floor_only():
    joints = torch.full((1, 5, 22, 3), 0.02)
    joints[..., 0] = torch.arange(5.0)[None, :, None] * 0.01
    assert foot_skate(joints) == pytest.approx(0.01, rel=1e-4)
    joints[..., 2] = 1.0
    assert foot_skate(joints) == 0.0
