"""Train HuMoR's motion prior on its own roll-outs, from any folder in AMASS format. A run can be resumed.

The recipe is HuMoR's. docs/lab/models.md describes what was added to keep roll-outs stable over seconds. Training
begins with single transitions. Then a growing share of the windows is rolled out closed-loop through the decoder, with
gradients through the whole window, and the windows become longer. Some of them then follow latents drawn from the prior
and are kept from sliding. The weight of the KL divergence from the conditional prior rises at the beginning. The
contact terms are those of the paper. A running average of the weights is what is evaluated and kept.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BodyModel
from optim.body.joints import CONTACT_JOINTS
from optim.common.errors import InputError
from optim.common.writing import replacing
from optim.diagnostics.metrics import FEET, NEAR_FLOOR
from optim.priors.motion_prior import LATENT_SIZE, STATE_SIZE, MotionPrior
from optim.priors.rollout import (
    JOINTS,
    JOINTS_VEL,
    POSE,
    ROOT,
    ROOT_VEL,
    TRANS,
    TRANS_VEL,
    State,
    apply_change,
    canonical_pairs,
    canonicalise,
    place,
)
from optim.train.data import FPS, Augmenter, Choice, Clips, Windows
from optim.train.graphs import Graphs
from optim.train.linear_start import fit_linear_model, start_from
from optim.train.planting import plant_feet
from optim.train.recipe import Phase, Recipe

PARTS = {
    "trans": TRANS,
    "trans_vel": TRANS_VEL,
    "root_orient": ROOT,
    "root_orient_vel": ROOT_VEL,
    "pose_body": POSE,
    "joints": JOINTS,
    "joints_vel": JOINTS_VEL,
}
TOLERANCE = {"trans": 0.05, "joints": 0.05, "root_orient": 0.2, "pose_body": 0.3, "world": 0.15}
"""Residual [m or matrix entries] above which a loss is linear, so that a few fast windows do not dominate a batch."""
VELOCITY_TOLERANCE = 0.5
"""The same for velocities [m/s, rad/s]."""
SLIDE_TOLERANCE = 0.02
"""Move [m/frame] of a standing foot from which the loss of sliding stops to grow."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for the transitions of one update, flattened to N = windows × steps."""

    states: Tensor  # (N, 339) in the frame of the state before
    targets: Tensor  # (N, 339) true states in the same frame
    contact_logits: Tensor  # (N, 9)
    contacts: Tensor  # (N, 9) labels
    kl: Tensor  # (N,) KL divergence [nats]
    betas: Tensor  # (N, 16)


@dataclass(frozen=True)
class Posterior:
    """What the encoder says of W windows of L transitions."""

    past: Tensor  # (W, L, 339) true states before, canonical
    now: Tensor  # (W, L, 339) true states in the same frame
    mean: Tensor  # (W, L, 48)
    log_var: Tensor  # (W, L, 48)
    drawn: Tensor  # (W, L, 48) latents drawn from it


@dataclass(frozen=True)
class Noise:
    """The normal random numbers of one update."""

    latents: Tensor  # (W, L, 48)
    states: Tensor  # (W, 339)
    turns: Tensor  # (W, 63)


@dataclass(frozen=True)
class Samples:
    """Motions that were drawn from the prior during one update."""

    motion: Tensor  # (S, L + 1, 339) in the frame of the first state
    data: Tensor  # (S, L + 1, 339) the windows that they begin like, in the same frame
    betas: Tensor  # (S, 16)


class MotionTrainer:
    """Network, optimiser and data of a training run. ``steps`` trains; ``save`` and ``resume`` continue a run.

    On a GPU, an update is thousands of small operations. It is recorded as a CUDA graph and replayed, and the
    operations of a roll-out's step are compiled into fewer.

    Args:
        half: Whether the matrix products of the networks are computed in bfloat16, on a GPU in TF32.
        compiled: Whether the steps of a roll-out are compiled on a GPU.
        start: Weights to begin with, in place of those of the linear start.
    """

    def __init__(
        self,
        clips: Clips,
        body: BodyModel,
        recipe: Recipe,
        *,
        device: str = "cpu",
        half: bool = True,
        compiled: bool = True,
        start: MotionPrior | None = None,
    ) -> None:
        self.recipe, self.device = recipe, torch.device(device)
        self.body = body.to(self.device)
        torch.manual_seed(recipe.seed)
        self.model = MotionPrior()
        self.generator = torch.Generator(self.device).manual_seed(recipe.seed)
        planted = plant_feet(clips, body).to(self.device) if recipe.planted_share else None
        self.augmenter = Augmenter(clips.to(self.device), self.body, self.generator, planted=planted)
        if start is not None:
            self.model.load_state_dict(start.state_dict())
        elif recipe.linear_start:
            self._start_linear()
        self.model.to(self.device)
        self.average = copy.deepcopy(self.model)
        on_gpu = self.device.type == "cuda"
        self._rate, self._kl, self._follow = (torch.zeros((), device=self.device) for _ in range(3))
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=self._rate, weight_decay=recipe.weight_decay, fused=True, capturable=on_gpu
        )
        self.half = half
        self._advance = torch.compile(advance, dynamic=False) if compiled and on_gpu else advance
        self._contact_joints = torch.tensor(CONTACT_JOINTS, device=self.device)
        self._feet = torch.tensor(FEET, device=self.device)
        self._near_floor = torch.tensor(NEAR_FLOOR, device=self.device)
        self._graphs = Graphs(self._update) if on_gpu else None
        self.update, self.seconds = 0, 0.0
        self._last: float | None = None
        self.history: list[dict[str, float]] = []
        self.best = math.inf

    def _start_linear(self) -> None:
        windows = self.augmenter.draw(self.recipe.linear_start, 2, beta_std=self.recipe.beta_std).to("cpu")
        past, now = (x.flatten(0, 1) for x in canonical_pairs(windows.flat, windows.pivot))
        linear = fit_linear_model(windows, self.recipe.parts, kl=self.recipe.kl)
        start_from(self.model, linear, past[:4096], torch.cat((past, now), dim=1)[:4096])

    @property
    def progress(self) -> float:
        """The fraction of the run that is done, by updates or by time, whichever is larger."""
        return max(self.update / self.recipe.updates, self.seconds / 60 / self.recipe.minutes)

    def steps(self, *, until: int | None = None) -> Iterator[dict[str, Tensor]]:
        """Train until update ``until`` or the end of the run, and yield the loss terms of every update."""
        while self.progress < 1.0 and (until is None or self.update < until):
            yield self.step()

    def step(self) -> dict[str, Tensor]:
        """Do one update and return its weighted loss terms, as numbers on the device."""
        now = time.monotonic()
        self.seconds += now - (self._last or now)
        self._last = now
        recipe, progress = self.recipe, self.progress
        phase = recipe.phase(progress)
        self._rate.fill_(recipe.learning_rate_at(progress))
        self._kl.fill_(recipe.kl_at(progress))
        self._follow.fill_(1 - min(recipe.average, (1 + self.update) / (10 + self.update)))
        drawn = self._draw(phase)
        terms = self._update(phase, *drawn) if self._graphs is None else self._graphs.run(phase, *drawn)
        self.update += 1
        return terms

    def _draw(self, phase: Phase) -> tuple[Choice, Noise]:
        recipe = self.recipe
        like: dict[str, Any] = {"generator": self.generator, "device": self.device}
        choice = self.augmenter.choose(
            phase.windows,
            phase.length + 1,
            beta_std=recipe.beta_std,
            warp=recipe.warp,
            rare_share=recipe.rare_share,
            lent_arms=recipe.lent_arms,
            planted_share=recipe.planted_share,
        )
        sizes = ((phase.length, LATENT_SIZE), (STATE_SIZE,), (63,))
        return choice, Noise(*(torch.randn(phase.windows, *size, **like) for size in sizes))

    def _update(self, phase: Phase, choice: Choice, noise: Noise) -> dict[str, Tensor]:
        """One update from given random numbers. It does not wait for the device."""
        windows = self.augmenter.cut_chosen(choice, phase.length + 1, warp=self.recipe.warp)
        posterior = self._posterior(windows, noise.latents)
        terms: dict[str, Tensor] = {}
        single = 0.0 if phase.closed == phase.windows else self.recipe.single_share if phase.closed else 1.0
        if single:
            alone = self._losses(self._teacher_forced(windows, posterior, slice(phase.closed, None)))
            terms |= {name: single * value for name, value in alone.items()}
        if phase.closed:
            predictions, world, samples = self._closed_loop(windows, posterior, noise, phase)
            rolled = self._losses(predictions)
            terms = {name: (1 - single) * value + terms.get(name, 0.0) for name, value in rolled.items()}
            terms["world"] = self.recipe.world * world
            if samples is not None:
                terms |= self._sample_losses(samples)
        self._descend(torch.stack(list(terms.values())).sum())
        return {name: value.detach() for name, value in terms.items()}

    @contextmanager
    def _products(self) -> Iterator[None]:
        """Matrix products at the precision of the run. Only those of the networks belong in here."""
        if self.device.type != "cuda":
            with torch.autocast("cpu", torch.bfloat16) if self.half else nullcontext():
                yield
            return
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = self.half
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    def _posterior(self, windows: Windows, noise: Tensor) -> Posterior:
        past, now = canonical_pairs(windows.flat, windows.pivot)
        with self._products():
            coded = self.model.encoder(torch.cat((past, now), dim=-1).flatten(0, 1)).float()
        mean, log_var = coded.unflatten(0, past.shape[:2]).split(LATENT_SIZE, dim=-1)
        return Posterior(past, now, mean, log_var, mean + (0.5 * log_var).exp() * noise)

    def _prior(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the conditional prior. States get no gradient from it."""
        with self._products():
            coded = self.model.prior_net(inputs.detach()).float()
        mean, log_var = coded.split(LATENT_SIZE, dim=-1)
        return mean, log_var

    def _decoded(self, state: Tensor, latent: Tensor) -> Tensor:
        with self._products():
            return self.model.decode(state, latent).float()

    def _predictions(
        self, windows: Windows, posterior: Posterior, rows: slice, states: Tensor, logits: Tensor, inputs: Tensor
    ) -> Predictions:
        now, mean, log_var = posterior.now[rows], posterior.mean[rows], posterior.log_var[rows]
        prior_mean, prior_log_var = (x.unflatten(0, now.shape[:2]) for x in self._prior(inputs.flatten(0, 1)))
        ratio = (log_var - prior_log_var).exp() + (mean - prior_mean) ** 2 / prior_log_var.exp()
        kl = 0.5 * (prior_log_var - log_var + ratio - 1).sum(-1)
        betas = windows.betas[rows, None].expand(*now.shape[:2], 16)
        fields = (states, now, logits, windows.contacts[rows, 1:], kl, betas)
        return Predictions(*(x.flatten(0, 1) for x in fields))

    def _teacher_forced(self, windows: Windows, posterior: Posterior, rows: slice) -> Predictions:
        past, latent = posterior.past[rows], posterior.drawn[rows]
        change = self._decoded(past.flatten(0, 1), latent.flatten(0, 1))
        states, logits = (x.unflatten(0, past.shape[:2]) for x in apply_change(past.flatten(0, 1), change))
        return self._predictions(windows, posterior, rows, states, logits, past)

    def _closed_loop(
        self, windows: Windows, posterior: Posterior, noise: Noise, phase: Phase
    ) -> tuple[Predictions, Tensor, Samples | None]:
        told = phase.closed - phase.sampled  # rows up to here follow the posterior, and then some follow the prior
        pivot = windows.pivot[: phase.closed]
        first = self._disturbed(windows.flat[: phase.closed, 0], noise, phase)
        state, states, logits, inputs, turns = first, [], [], [], []
        for step in range(phase.length):
            latent = posterior.drawn[:told, step]
            if phase.sampled:
                mean, log_var = self._prior(state[told:])
                drawn = mean + (0.5 * log_var).exp() * noise.latents[told : phase.closed, step]
                latent = torch.cat((latent, drawn))
            inputs.append(state[:told])
            predicted, contact, state, turn = self._advance(state, self._decoded(state, latent), pivot)
            states.append(predicted)
            logits.append(contact[:told])
            turns.append(turn)
        local, rows = torch.stack(states, dim=1), slice(0, told)
        predictions = self._predictions(
            windows, posterior, rows, local[rows], torch.stack(logits, 1), torch.stack(inputs, 1)
        )
        placed = place(local, torch.stack(turns, dim=1), pivot)
        truth = windows.flat[rows, 1:]
        off, turned = (robust(placed[rows, :, part], truth[..., part], TOLERANCE["world"]) for part in (TRANS, ROOT))
        samples = None
        if phase.sampled:
            motion = torch.cat((first[told:, None], placed[told:]), dim=1)
            samples = Samples(motion, windows.flat[told : phase.closed], windows.betas[told : phase.closed])
        return predictions, 3 * off + 9 * turned, samples

    def _disturbed(self, state: Tensor, noise: Noise, phase: Phase) -> Tensor:
        """Add noise to every second first state, like that of a fit to noisy data. Rotations stay valid."""
        if not self.recipe.input_noise:
            return state
        count = state.shape[0]
        scale = self.recipe.input_noise * (torch.arange(count, device=self.device) % 2 == 0).float()[:, None]
        size = torch.zeros(STATE_SIZE, device=self.device)
        size[JOINTS].fill_(0.01)
        for part in (JOINTS_VEL, TRANS_VEL, ROOT_VEL):
            size[part].fill_(0.1)
        size[2].fill_(0.01)
        state = state + scale * size * noise.states[:count]
        change = functional.pad(scale * 0.03 * noise.turns[:count], (12, 216 - 75))
        return apply_change(state, change)[0]

    def _sample_losses(self, samples: Samples) -> dict[str, Tensor]:
        """Losses of motions without a ground truth: a body that fits its joints, and feet that stay where they stand.

        A foot stands if its joint is near the floor (``NEAR_FLOOR``). The loss of its move to the next frame is
        bounded (Geman–McClure), so that it stops feet that slide but not those that step, whichever way they move.
        Standing still is another way not to slide. So the speeds of the samples are held against those of the data that
        they begin like, the slowest with the slowest: together they are to be as fast, and each may be slow or fast.
        """
        state = State.from_flat(samples.motion)
        joints = self.body.joints(state.trans, state.root_orient, state.pose_body, samples.betas)
        parted = robust(joints.flatten(2), state.joints.flatten(2), TOLERANCE["joints"])
        feet = joints.index_select(2, self._feet)
        standing = (feet[:, :-1, :, 2] < self._near_floor).float()
        moved = (feet[:, 1:] - feet[:, :-1]).square().sum(-1)
        slide = (standing * moved / (moved + SLIDE_TOLERANCE**2)).mean()
        terms = {
            "sample_consistency": self.recipe.sample_consistency * parted,
            "sample_slide": self.recipe.sample_slide * slide,
        }
        if self.recipe.sample_speed:
            data = samples.data[..., JOINTS].unflatten(-1, (22, 3))
            mine, usual = (speeds(x).sort(dim=1).values for x in (joints, data))
            terms["sample_speed"] = self.recipe.sample_speed * robust(mine, usual, VELOCITY_TOLERANCE)
        return terms

    def _losses(self, p: Predictions) -> dict[str, Tensor]:
        recipe = self.recipe
        terms = {
            name: recipe.parts[name]
            * robust(p.states[:, part], p.targets[:, part], TOLERANCE.get(name, VELOCITY_TOLERANCE))
            for name, part in PARTS.items()
        }
        state = State.from_flat(p.states[:, None])
        body_joints = self.body.joints(state.trans, state.root_orient, state.pose_body, p.betas)[:, 0]
        own, tolerance = body_joints.flatten(1), TOLERANCE["joints"]
        terms["body_joints"] = recipe.body_joints * robust(own, p.targets[:, JOINTS], tolerance)
        terms["joint_consistency"] = recipe.joint_consistency * robust(own, p.states[:, JOINTS], tolerance)
        terms["contact"] = recipe.contact * functional.binary_cross_entropy_with_logits(p.contact_logits, p.contacts)
        speed = p.states[:, JOINTS_VEL].unflatten(1, (22, 3)).index_select(1, self._contact_joints)
        speed = speed.square().sum(-1)
        terms["contact_velocity"] = recipe.contact_velocity * (p.contact_logits.sigmoid() * speed).mean()
        terms["kl"] = self._kl * p.kl.mean()
        return terms

    def _descend(self, loss: Tensor) -> None:
        """One step of the optimiser, unless the gradient is not finite, and of the average of the weights."""
        self.optimiser.zero_grad(set_to_none=True)
        with self._products() if self.device.type == "cuda" else nullcontext():
            loss.backward()
        fitting = [*self.model.encoder.parameters(), *self.model.decoder.parameters()]
        norm = torch.nn.utils.clip_grad_norm_(fitting, self.recipe.gradient_norm)
        other = torch.nn.utils.clip_grad_norm_(self.model.prior_net.parameters(), self.recipe.gradient_norm)
        # The fused optimiser leaves out the step where this is 1, without waiting for the device.
        self.optimiser.found_inf = (~(norm + other).isfinite()).float()  # type: ignore[attr-defined]
        self.optimiser.step()
        with torch.no_grad():
            for kept, weight in zip(self.average.parameters(), self.model.parameters(), strict=True):
                kept.lerp_(weight, self._follow)

    def save(self, path: Path) -> None:
        """Write a checkpoint in HuMoR's layout (``model``, ``optim``, ``epoch``, …) and the state for ``resume``."""
        content = {
            "model": self.average.state_dict(),
            "trained": self.model.state_dict(),
            "optim": self.optimiser.state_dict(),
            "epoch": self.update,
            "seconds": self.seconds,
            "min_val_loss": self.best,
            "min_train_loss": float("inf"),
            "recipe": asdict(self.recipe),
            "random": self.generator.get_state(),
            "history": self.history,
        }
        with replacing(path) as beside:
            torch.save(content, beside)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of ``save``.

        Raises:
            InputError: The file is not such a checkpoint.
        """
        content = torch.load(path, map_location=self.device, weights_only=True)
        if not {"model", "trained", "optim", "random", "epoch"} <= set(content):
            raise InputError(
                f"{path}: not a checkpoint of a training run (no optimiser or random state in it); give another --out"
            )
        self.average.load_state_dict(content["model"])
        self.model.load_state_dict(content["trained"])
        self.optimiser.load_state_dict(content["optim"])
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate
        self.generator.set_state(content["random"].cpu())
        self.update, self.seconds = content["epoch"], content["seconds"]
        self.history, self.best = content["history"], content["min_val_loss"]


def advance(state: Tensor, change: Tensor, pivot: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step of a roll-out after decoding.

    Returns:
        The prediction (N, 339) in the frame of ``state``, contact logits (N, 9), the prediction in its own canonical
        frame (N, 339), and cosine and sine (N, 2) of the turn to it.
    """
    predicted, contact = apply_change(state, change)
    following, cos, sin = canonicalise(predicted, pivot)
    return predicted, contact, following, torch.stack((cos, sin), dim=-1)


def speeds(joints: Tensor) -> Tensor:
    """Mean speeds (2, S) [m/s] of motions (S, L, 22, 3) [m]: of the pelvis over the floor, and of all joints."""
    moves = FPS * (joints[:, 1:] - joints[:, :-1])
    return torch.stack((moves[:, :, 0, :2].norm(dim=-1).mean(1), moves.norm(dim=-1).mean((1, 2))))


def robust(values: Tensor, targets: Tensor, tolerance: float) -> Tensor:
    """Pseudo-Huber loss: the mean squared residual well below ``tolerance``, and linear in the residual well above."""
    residual = (values - targets) / tolerance
    return 2 * tolerance**2 * ((1 + residual.square()).sqrt() - 1).mean()


def train(
    trainer: MotionTrainer,
    folder: Path,
    *,
    save_every: float = 120.0,
    validate: Callable[[MotionPrior], tuple[float, dict[str, float]]] | None = None,
    validations: int = 12,
    report: Callable[[MotionTrainer, dict[str, Tensor]], None],
) -> None:
    """Train to the end of the recipe.

    ``last.pth`` is written every ``save_every`` seconds and when training ends. The weights with the lowest score so
    far are in ``best_model.pth``; without ``validate`` they are the last ones.

    Args:
        validate: Function that gives the score of averaged weights, lower is better, and figures for the history.
        validations: How often it is called, spread evenly over the run.
        report: Function called after every update with the trainer and the loss terms.
    """
    saved, last = time.monotonic(), folder / "last.pth"
    due = math.floor(trainer.progress * validations) + 1
    try:
        for terms in trainer.steps():
            report(trainer, terms)
            if validate is not None and trainer.progress * validations >= due:
                due = math.floor(trainer.progress * validations) + 1
                score, figures = validate(trainer.average)
                trainer.history.append({"update": trainer.update, "score": score, **figures})
                if score < trainer.best:
                    trainer.best = score
                    pack(trainer.average, folder / "best_model.pth", trainer.update, score)
            if time.monotonic() - saved > save_every:
                trainer.save(last)
                saved = time.monotonic()
    finally:
        trainer.save(last)
    if validate is None:
        pack(trainer.average, folder / "best_model.pth", trainer.update, math.inf)


def pack(model: MotionPrior, path: Path, update: int, score: float) -> None:
    """Write only the weights, in HuMoR's layout and in half precision (19 MB instead of 156 MB)."""
    state = {key: value.half().cpu() for key, value in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"epoch": update, "min_val_loss": score, "min_train_loss": math.inf}
    with replacing(path) as beside:
        torch.save({"model": state, "optim": {}, **kept}, beside)
