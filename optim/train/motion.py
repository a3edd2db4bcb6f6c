"""Train HuMoR's motion prior on its own roll-outs, from any folder in AMASS format. A run can be resumed.

The recipe is HuMoR's. docs/lab/models.md describes what was added to keep roll-outs stable over seconds. Training
begins with single transitions. Then a growing share of the windows is rolled out closed-loop through the decoder, with
gradients through the whole window, and the windows become longer. The weight of the KL divergence from the conditional
prior rises at the beginning. The contact terms are those of the paper.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BodyModel
from optim.body.joints import CONTACT_JOINTS
from optim.common.errors import InputError
from optim.priors.motion_prior import LATENT_SIZE, MotionPrior
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
from optim.train.data import Augmenter, Clips, Windows
from optim.train.linear_start import fit_linear_model, start_from

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


@dataclass(frozen=True)
class Recipe:
    """All numbers of a training run. Lengths are in frames, and times are fractions of ``updates``."""

    updates: int = 9_000
    transitions: int = 640  # per update; more if windows are long
    fewest_windows: int = 22  # per update
    learning_rate: float = 5e-5
    warm_up: float = 0.02  # end of the linear rise of the learning rate
    linear_start: int = 20_000  # transitions to which the initial weights are fitted; 0 gives random weights
    supervised: float = 0.08  # end of the time with single transitions only
    full_closed_loop: float = 0.25  # time from which 80 % of the windows are rolled out closed-loop
    window_growth: tuple[tuple[float, int], ...] = ((0.0, 10), (0.3, 15), (0.45, 22), (0.6, 32), (0.8, 45))
    kl: float = 4e-4
    kl_annealed: float = 0.05
    contact: float = 0.12
    contact_velocity: float = 0.12
    parts: dict[str, float] = field(
        default_factory=lambda: {
            "trans": 360.0,
            "trans_vel": 6.0,
            "root_orient": 180.0,
            "root_orient_vel": 1.8,
            "pose_body": 36.0,
            "joints": 180.0,
            "joints_vel": 6.0,
        }
    )
    body_joints: float = 270.0  # joints of the body model under the predicted pose against the data
    joint_consistency: float = 360.0  # regressed joints against those of the body model
    world: float = 24.0  # closed-loop root position [m²] and heading against the data, in the window's frame
    input_noise: float = 1.0  # × (1 cm, 0.1 m/s, 0.03 rad) on the first state of half the closed-loop windows
    beta_std: float = 0.8
    gradient_norm: float = 12.0
    seed: int = 0

    def window(self, progress: float) -> int:
        """Number of transitions per window at a fraction of the run."""
        return next(length for start, length in reversed(self.window_growth) if progress >= start)

    def closed_loop_share(self, progress: float) -> float:
        """Share of the windows that are rolled out through their own predictions."""
        ramp = (progress - self.supervised) / (self.full_closed_loop - self.supervised)
        return 0.8 * min(max(ramp, 0.0), 1.0)

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate at a fraction of the run: a linear rise, then a cosine to 1 % of the peak."""
        if progress < self.warm_up:
            return self.learning_rate * (progress / self.warm_up + 1e-3)
        decay = (progress - self.warm_up) / (1 - self.warm_up)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(decay, 1.0))))


@dataclass(frozen=True)
class Predictions:
    """Predictions for the transitions of one update, flattened to N = windows × steps."""

    states: Tensor  # (N, 339) in the frame of the state before
    targets: Tensor  # (N, 339) true states in the same frame
    contact_logits: Tensor  # (N, 9)
    contacts: Tensor  # (N, 9) labels
    inputs: Tensor  # (N, 339) inputs of the decoder and of the prior
    kl: Tensor  # (N,) KL divergence [nats]
    betas: Tensor  # (N, 16)


class MotionTrainer:
    """Network, optimiser and data of a training run. ``steps`` trains; ``save`` and ``resume`` continue a run.

    Args:
        half: Whether matrix products are computed in bfloat16.
    """

    def __init__(
        self, clips: Clips, body: BodyModel, recipe: Recipe, *, device: str = "cpu", half: bool = True
    ) -> None:
        self.recipe, self.device = recipe, torch.device(device)
        self.body = body.to(self.device)
        torch.manual_seed(recipe.seed)
        self.model = MotionPrior()
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.noise = torch.Generator(self.device).manual_seed(recipe.seed + 1)
        self.augmenter = Augmenter(clips, body, self.generator)
        if recipe.linear_start:
            self._start_linear()
        self.model.to(self.device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate, fused=True)
        self.update = 0
        self.half = half
        self.history: list[dict[str, float]] = []

    def _start_linear(self) -> None:
        windows = self.augmenter.draw(self.recipe.linear_start, 2, beta_std=self.recipe.beta_std)
        past, now = (x.flatten(0, 1) for x in canonical_pairs(windows.flat, windows.pivot))
        linear = fit_linear_model(windows, self.recipe.parts, kl=self.recipe.kl)
        start_from(self.model, linear, past[:4096], torch.cat((past, now), dim=1)[:4096])

    def steps(self, *, until: int | None = None) -> Iterator[dict[str, float]]:
        """Train until update ``until`` or the end of the recipe, and yield the loss terms of every update."""
        while self.update < (self.recipe.updates if until is None else until):
            yield self.step()

    def step(self) -> dict[str, float]:
        """Do one update and return its weighted loss terms."""
        recipe, progress = self.recipe, self.update / self.recipe.updates
        length = recipe.window(progress)
        count = max(recipe.fewest_windows, recipe.transitions // length)
        closed = round(count * recipe.closed_loop_share(progress))
        windows = self._draw(count, length + 1)
        parts = [self._teacher_forced(_part(windows, closed, count))] if closed < count else []
        world = torch.zeros((), device=self.device)
        if closed:
            rolled, world = self._closed_loop(_part(windows, 0, closed))
            parts.append(rolled)
        terms = self._losses(_joined(parts), progress)
        terms["world"] = recipe.world * world
        loss = torch.stack(list(terms.values())).sum()
        self._descend(loss, progress)
        self.update += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    def _draw(self, count: int, length: int) -> Windows:
        windows = self.augmenter.draw(count, length, beta_std=self.recipe.beta_std)
        return Windows(*(getattr(windows, f).to(self.device) for f in ("flat", "pivot", "contacts", "betas")))

    def _half(self):
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else nullcontext()

    def _posterior(self, windows: Windows) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        past, now = canonical_pairs(windows.flat, windows.pivot)
        with self._half():
            coded = self.model.encoder(torch.cat((past, now), dim=-1).flatten(0, 1)).float()
        mean, log_var = coded.unflatten(0, past.shape[:2]).split(LATENT_SIZE, dim=-1)
        draw = torch.randn(mean.shape, generator=self.noise, device=self.device)
        return past, now, mean, log_var, mean + (0.5 * log_var).exp() * draw

    def _decode(self, state: Tensor, latent: Tensor) -> Tensor:
        with self._half():
            return self.model.decode(state, latent).float()

    def _predictions(self, windows: Windows, coded, states: Tensor, logits: Tensor, inputs: Tensor) -> Predictions:
        _, now, mean, log_var, _ = coded
        with self._half():
            prior = self.model.prior_net(inputs.detach().flatten(0, 1)).float()
        prior_mean, prior_log_var = prior.unflatten(0, now.shape[:2]).split(LATENT_SIZE, dim=-1)
        ratio = (log_var - prior_log_var).exp() + (mean - prior_mean) ** 2 / prior_log_var.exp()
        kl = 0.5 * (prior_log_var - log_var + ratio - 1).sum(-1)
        betas = windows.betas[:, None].expand(*now.shape[:2], 16)
        fields = (states, now, logits, windows.contacts[:, 1:], inputs, kl, betas)
        return Predictions(*(x.flatten(0, 1) for x in fields))

    def _teacher_forced(self, windows: Windows) -> Predictions:
        coded = self._posterior(windows)
        past, latent = coded[0], coded[-1]
        change = self._decode(past.flatten(0, 1), latent.flatten(0, 1))
        states, logits = (x.unflatten(0, past.shape[:2]) for x in apply_change(past.flatten(0, 1), change))
        return self._predictions(windows, coded, states, logits, past)

    def _closed_loop(self, windows: Windows) -> tuple[Predictions, Tensor]:
        coded = self._posterior(windows)
        state = self._disturbed(windows.flat[:, 0])
        states, logits, inputs, turns = [], [], [], []
        for latent in coded[-1].unbind(1):
            inputs.append(state)
            predicted, contact = apply_change(state, self._decode(state, latent))
            states.append(predicted)
            logits.append(contact)
            state, cos, sin = canonicalise(predicted, windows.pivot)
            turns.append(torch.stack((cos, sin), dim=-1))
        local = torch.stack(states, dim=1)
        rolled = self._predictions(windows, coded, local, torch.stack(logits, 1), torch.stack(inputs, 1))
        placed = place(local, torch.stack(turns, dim=1), windows.pivot)
        truth = windows.flat[:, 1:]
        off, turned = (robust(placed[..., part], truth[..., part], TOLERANCE["world"]) for part in (TRANS, ROOT))
        return rolled, 3 * off + 9 * turned

    def _disturbed(self, state: Tensor) -> Tensor:
        """Add noise to the first state of half the windows, like that of a fit to noisy data. Rotations stay valid."""
        if not self.recipe.input_noise:
            return state
        count = state.shape[0]
        scale = self.recipe.input_noise * (torch.arange(count, device=self.device) % 2 == 0).float()[:, None]
        size = torch.zeros(339, device=self.device)
        size[JOINTS], size[JOINTS_VEL], size[TRANS_VEL], size[ROOT_VEL] = 0.01, 0.1, 0.1, 0.1
        size[2] = 0.01
        state = state + scale * size * torch.randn(state.shape, generator=self.noise, device=self.device)
        change = torch.zeros(count, 216, device=self.device)
        turns = 0.03 * torch.randn(count, 63, generator=self.noise, device=self.device)
        change[:, 12:75] = scale * turns
        return apply_change(state, change)[0]

    def _losses(self, p: Predictions, progress: float) -> dict[str, Tensor]:
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
        speed = p.states[:, JOINTS_VEL].unflatten(1, (22, 3))[:, list(CONTACT_JOINTS)].square().sum(-1)
        terms["contact_velocity"] = recipe.contact_velocity * (p.contact_logits.sigmoid() * speed).mean()
        terms["kl"] = recipe.kl * min(progress / recipe.kl_annealed, 1.0) * p.kl.mean()
        return terms

    def _descend(self, loss: Tensor, progress: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate_at(progress)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        fitting = [*self.model.encoder.parameters(), *self.model.decoder.parameters()]
        norm = torch.nn.utils.clip_grad_norm_(fitting, self.recipe.gradient_norm)
        torch.nn.utils.clip_grad_norm_(self.model.prior_net.parameters(), self.recipe.gradient_norm)
        if torch.isfinite(norm):
            self.optimiser.step()

    def save(self, path: Path) -> None:
        """Write a checkpoint in HuMoR's layout (``model``, ``optim``, ``epoch``, …) and the state for ``resume``."""
        content = {
            "model": self.model.state_dict(),
            "optim": self.optimiser.state_dict(),
            "epoch": self.update,
            "min_val_loss": float("inf"),
            "min_train_loss": float("inf"),
            "recipe": asdict(self.recipe),
            "random": [self.generator.get_state(), self.noise.get_state()],
            "history": self.history,
        }
        partial = path.with_suffix(".partial")
        torch.save(content, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of ``save``.

        Raises:
            InputError: The file is not such a checkpoint.
        """
        content = torch.load(path, map_location=self.device, weights_only=True)
        if not {"model", "optim", "random", "epoch"} <= set(content):
            raise InputError(
                f"{path}: not a checkpoint of a training run (no optimiser or random state in it); give another --out"
            )
        self.model.load_state_dict(content["model"])
        self.optimiser.load_state_dict(content["optim"])
        self.generator.set_state(content["random"][0].cpu())
        self.noise.set_state(content["random"][1].cpu())
        self.update, self.history = content["epoch"], content["history"]


def robust(values: Tensor, targets: Tensor, tolerance: float) -> Tensor:
    """Pseudo-Huber loss: the mean squared residual well below ``tolerance``, and linear in the residual well above."""
    residual = (values - targets) / tolerance
    return 2 * tolerance**2 * ((1 + residual.square()).sqrt() - 1).mean()


def _part(windows: Windows, start: int, stop: int) -> Windows:
    return Windows(*(getattr(windows, f)[start:stop] for f in ("flat", "pivot", "contacts", "betas")))


def _joined(parts: list[Predictions]) -> Predictions:
    if len(parts) == 1:
        return parts[0]
    names = Predictions.__dataclass_fields__
    return Predictions(*(torch.cat([getattr(p, n) for p in parts]) for n in names))


def train(
    trainer: MotionTrainer, checkpoint: Path, *, save_every: float = 120.0, report: Callable[[int, int, dict], None]
) -> None:
    """Train to the end of the recipe. The checkpoint is written every ``save_every`` seconds and when training ends.

    Args:
        report: Function called after every update with its number, the total number, and the loss terms.
    """
    saved = time.monotonic()
    try:
        for terms in trainer.steps():
            report(trainer.update, trainer.recipe.updates, terms)
            if time.monotonic() - saved > save_every:
                trainer.save(checkpoint)
                saved = time.monotonic()
    finally:
        trainer.save(checkpoint)


def pack(checkpoint: Path, path: Path) -> None:
    """Write only the weights of a checkpoint, in HuMoR's layout and in half precision (19 MB instead of 117 MB)."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    state = {key: value.half() for key, value in content["model"].items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {key: content[key] for key in ("epoch", "min_val_loss", "min_train_loss")}
    torch.save({"model": state, "optim": {}, **kept}, path)
