"""Training of the motion prior: windows, labels, learning, resuming, reading any folder."""

import copy
import json
import time
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
from optim.train.data import ARMS, FASTEST, Augmenter, Choice, find_clips, is_rare, load_clips
from optim.train.evaluate import evaluate, foot_skate
from optim.train.motion import MotionTrainer, Samples, pack, train
from optim.train.recipe import Recipe

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


def test_a_window_at_the_pace_of_the_data_is_not_changed_by_interpolation(clips, body):
    augmenter = Augmenter(clips, body, torch.Generator().manual_seed(2))
    choice = augmenter.choose(8, 6, warp=True)
    steady = replace(choice, pace=torch.ones(8))
    plain, played = augmenter.cut_chosen(steady, 6), augmenter.cut_chosen(steady, 6, warp=True)
    torch.testing.assert_close(played.flat, plain.flat, rtol=0, atol=1e-3)
    assert torch.equal(played.contacts, plain.contacts)


def test_a_faster_window_is_the_same_path_in_fewer_frames(clips, body):
    augmenter = Augmenter(clips, body, torch.Generator())
    zero, still = torch.zeros(1), torch.zeros(1, dtype=torch.bool)
    like = {"starts": torch.tensor([9]), "mirrored": still, "yaw": zero, "betas": torch.zeros(1, 16), "lent": still}
    fast = augmenter.cut_chosen(Choice(**like, pace=torch.tensor([FASTEST])), 11, warp=True)
    # Frame k of the fast window is at 8 + 1.2 (k + 1) in the data; frame 9 is at 20, and frame 4 at 14.
    data = augmenter.cut(torch.tensor([14]), 7, mirrored=still, yaw=zero, betas=torch.zeros(1, 16))
    pose = slice(18, 207)
    torch.testing.assert_close(fast.flat[0, 4, pose], data.flat[0, 0, pose], rtol=0, atol=1e-4)
    torch.testing.assert_close(fast.flat[0, 9, pose], data.flat[0, 6, pose], rtol=0, atol=1e-4)
    ratio = fast.flat[0, 4, JOINTS.stop :].norm() / data.flat[0, 0, JOINTS.stop :].norm()
    assert float(ratio) == pytest.approx(FASTEST, rel=0.05)


def test_lent_arms_move_like_those_of_the_window_before(clips, body):
    augmenter = Augmenter(clips, body, torch.Generator().manual_seed(4))
    choice = replace(augmenter.choose(5, 6), mirrored=torch.zeros(5, dtype=torch.bool))
    plain = augmenter.cut_chosen(choice, 6)
    lent = torch.tensor([False, True, False, True, True])
    mixed = augmenter.cut_chosen(replace(choice, lent=lent), 6)
    before, after = (State.from_flat(w.flat).pose_body for w in (plain, mixed))
    arms = [joint - 1 for joint in ARMS]  # the root is not in pose_body
    others = [j for j in range(21) if j not in arms]
    assert torch.equal(after[:, :, others], before[:, :, others])
    assert torch.equal(after[lent][:, :, arms], before.roll(1, 0)[lent][:, :, arms])
    assert torch.equal(after[~lent][:, :, arms], before[~lent][:, :, arms])
    assert torch.equal(mixed.contacts[..., :7], plain.contacts[..., :7]) and not mixed.contacts[lent][..., 7:].any()


def test_single_transitions_have_their_share_of_the_loss(clips, body):
    def terms(share: float) -> dict[str, float]:
        trainer = MotionTrainer(clips, body, replace(TINY, single_share=share, sampling=2.0), half=False)
        trainer.update = TINY.updates - 1
        return {name: float(value) for name, value in trainer.step().items()}

    rolled, single, mixed = terms(0.0), terms(1.0), terms(0.25)
    for name in sorted(set(mixed) - {"world"}):
        assert mixed[name] == pytest.approx(0.75 * rolled[name] + 0.25 * single[name], rel=1e-4), name
    assert mixed["world"] == pytest.approx(rolled["world"], rel=1e-5)


def test_rare_frames_are_drawn_as_often_as_asked(clips, body):
    marked = torch.zeros_like(clips.rare)
    marked[30] = True
    augmenter = Augmenter(replace(clips, rare=marked), body, torch.Generator().manual_seed(1))
    starts = augmenter.choose(4000, 5, rare_share=0.5).starts
    share = ((starts <= 30) & (starts + 5 > 30)).float().mean()
    assert 0.48 < float(share) < 0.56


def test_what_is_rare():
    standing = torch.tensor([0.0, 0.0, 0.9]).expand(4, 22, 3).clone()
    standing[:, 15, 2], standing[:, 10, 2] = 1.5, 0.02
    lying, running, jumping = standing.clone(), standing.clone(), standing.clone()
    lying[:, :, 2] = 0.1
    running[..., 0] = 0.1 * torch.arange(4.0)[:, None]
    jumping[..., 2] += 0.2
    assert [bool(is_rare(x).all()) for x in (standing, lying, running, jumping)] == [False, True, True, True]


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
    losses = [float(sum(terms.values())) for terms in trainer.steps(until=12)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[9:12]) < 0.6 * np.mean(losses[:3])


def test_bfloat16_training_descends_along_nearly_the_same_gradient(clips, body):
    full, half = (MotionTrainer(clips, body, TINY, half=half) for half in (False, True))
    terms, near = ({name: float(value) for name, value in t.step().items()} for t in (full, half))
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
    for network in ("model", "average"):
        mine, others = (getattr(t, network).parameters() for t in (unbroken, resumed))
        assert all(torch.equal(one, other) for one, other in zip(mine, others, strict=True))


def test_packed_checkpoint_is_one_that_the_fit_loads(clips, body, tmp_path):
    trainer = MotionTrainer(clips, body, TINY, half=False)
    trainer.step()
    pack(trainer.model, tmp_path / "best_model.pth", trainer.update, 0.0)
    loaded = load_motion_prior(tmp_path / "best_model.pth")
    past = torch.randn(3, 339)
    torch.testing.assert_close(loaded.prior(past)[0], trainer.model.eval().prior(past)[0], rtol=0, atol=5e-3)
    assert (tmp_path / "best_model.pth").stat().st_size < 20e6


def test_resuming_from_something_else_is_refused(clips, body, tmp_path):
    torch.save({"model": {}}, tmp_path / "last.pth")
    with pytest.raises(InputError, match="last.pth"):
        MotionTrainer(clips, body, TINY).resume(tmp_path / "last.pth")


def test_samples_are_kept_from_sliding_but_may_step(clips, body):
    """The loss grows with the speed of a foot on the floor and hardly any more once that is a step."""
    trainer = MotionTrainer(clips, body, TINY, half=False)
    windows = trainer.augmenter.draw(4, 6, beta_std=0.0)
    motion = windows.flat[:, :1].repeat(1, 6, 1)
    height = motion[..., JOINTS].unflatten(-1, (22, 3))[..., 2].amin()
    motion[..., 2] -= height - 0.02
    losses = []
    for speed in (0.0, 0.005, 0.02, 0.2, 0.4):
        moved = motion.clone()
        moved[..., 0] += speed * torch.arange(6.0)
        losses.append(float(trainer._sample_losses(Samples(moved, motion, windows.betas))["sample_slide"]))
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses[0] < losses[1] < 0.5 * losses[2] and losses[4] < 1.1 * losses[3]


def test_samples_as_fast_as_the_data_are_wanted_whoever_is_fast(clips, body):
    """Speeds of all samples are held against those of all their windows: standing costs, an exchange does not."""
    trainer = MotionTrainer(clips, body, replace(TINY, sample_speed=1.0), half=False)
    windows = trainer.augmenter.draw(4, 6, beta_std=0.0)
    data = windows.flat.clone()
    data[..., 0] += torch.linspace(0, 0.15, 4)[:, None] * torch.arange(6.0)
    data[..., JOINTS].unflatten(-1, (22, 3))[..., 0] += (data - windows.flat)[..., :1]

    def loss(motion: torch.Tensor) -> float:
        return float(trainer._sample_losses(Samples(motion, data, windows.betas))["sample_speed"])

    standing = data[:, :1].repeat(1, 6, 1)
    assert loss(data) == pytest.approx(0, abs=1e-6)
    assert loss(data.flip(0)) == pytest.approx(0, abs=1e-6)
    assert loss(standing) > 0.1
    assert "sample_speed" not in MotionTrainer(clips, body, TINY, half=False)._sample_losses(
        Samples(data, data, windows.betas)
    )


def test_windows_are_cut_from_planted_clips_as_often_as_asked(clips, body):
    planted = replace(clips, trans=clips.trans + torch.tensor([0.0, 0.0, 1.0]))
    augmenter = Augmenter(clips, body, torch.Generator().manual_seed(6), planted=planted)
    choice = augmenter.choose(400, 5, warp=True, planted_share=0.3)
    for warp in (False, True):
        lowest = (
            augmenter.cut_chosen(replace(choice, pace=torch.ones(400)), 5, warp=warp)
            .flat[:, 0, JOINTS][:, 2::3]
            .amin(1)
        )
        assert 0.2 < float((lowest > 0.5).float().mean()) < 0.4
    plain = Augmenter(clips, body, torch.Generator().manual_seed(6)).choose(400, 5, warp=True)
    assert torch.equal(choice.starts % len(clips.trans), plain.starts)


def test_a_run_from_given_weights_begins_where_a_whole_run_ends(clips, body):
    recipe = replace(Recipe(), fewest_windows=2, transitions=0)
    going_on = recipe.continued()
    assert going_on.phase(0.0) == recipe.phase(1.0) and going_on.kl_at(0.0) == recipe.kl
    rates = [going_on.learning_rate_at(x) for x in (0.0, 0.09, 0.11, 0.12, 1.0)]
    assert (
        rates[:2] == [0, 0]
        and 0 < rates[2] < rates[3] == pytest.approx(recipe.learning_rate, rel=0.01)
        and rates[4] < rates[2]
    )
    start = MotionTrainer(clips, body, TINY, half=False).model
    with torch.no_grad():
        next(start.parameters()).add_(1.0)
    trainer = MotionTrainer(clips, body, TINY, half=False, start=start)
    for network in (trainer.model, trainer.average):
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), start.parameters(), strict=True))
        assert all(p.requires_grad for p in network.parameters())


def test_a_run_ends_when_its_time_is_up(clips, body):
    trainer = MotionTrainer(clips, body, replace(TINY, updates=10_000, minutes=2 / 60), half=False)
    begun = time.monotonic()
    assert 1 < len(list(trainer.steps())) < 10_000
    assert time.monotonic() - begun < 20


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_update_on_a_gpu_is_that_of_the_processor(clips, body):
    """The first graph replay, and the eager updates before it, lower the same loss."""
    on_gpu = MotionTrainer(clips, body, TINY, device="cuda", half=False, compiled=False)
    losses = [float(sum(terms.values())) for terms in on_gpu.steps(until=12)]
    assert np.isfinite(losses).all() and np.mean(losses[9:12]) < 0.6 * np.mean(losses[:3])


def test_a_gpu_that_is_not_there_is_refused(folder, tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert main(["motion-prior", "--data", str(folder), "--out", str(tmp_path), "--device", "cuda"]) == 2
    assert "--device" in capsys.readouterr().err


def test_best_weights_are_kept_and_not_the_last(clips, body, tmp_path):
    trainer = MotionTrainer(clips, body, TINY, half=False)
    scores = iter((3.0, 1.0, 2.0, 4.0))
    kept = []

    def validate(prior):
        kept.append(copy.deepcopy(prior.state_dict()))
        return next(scores), {}

    train(trainer, tmp_path, validate=validate, validations=4, report=lambda *_: None)
    saved = torch.load(tmp_path / "best_model.pth", weights_only=True)
    assert saved["min_val_loss"] == 1.0 and len(trainer.history) == 4
    for name, value in saved["model"].items():
        torch.testing.assert_close(value, kept[1][name].half(), rtol=0, atol=0)


@pytest.mark.slow
def test_command_trains_measures_and_resumes(folder, tmp_path, capsys):
    train = ["motion-prior", "--data", str(folder), "--out", str(tmp_path), "--transitions", "40"]
    train += ["--validations", "1", "--no-bfloat16"]  # bfloat16 is imitated, slowly, by many processors
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
