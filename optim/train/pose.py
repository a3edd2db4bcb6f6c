"""Train VPoser, the pose prior, on body poses and write it as a VPoser v1 folder. A run can be resumed.

Knows single poses and not their order. The network is a variational autoencoder in human_body_prior's own class. The
loss pulls the latent of a pose towards N(0, I), and the decoded pose towards the true one in rotations and joint
positions. Source of network and loss: Pavlakos et al., "Expressive Body Capture", CVPR 2019, which uses mesh vertices
in place of joint positions.
"""

from __future__ import annotations

import argparse
import math
import pickle
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.body.joints import MIRRORED_JOINTS
from optim.common.errors import InputError
from optim.common.progress import Progress
from optim.common.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from optim.common.writing import replacing
from optim.loading.models import load_body
from optim.priors.pose_prior import (
    LATENT_DIM,
    NUM_NEURONS,
    NUM_POSE_JOINTS,
    decode_rotations,
    new_network,
    posterior,
)
from optim.train.data import load_clips

SNAPSHOT = "snapshots/TR00_E000.pt"
SETTINGS = "TR00_free_motion.ini"
CHECKPOINT = "last.pth"
STILL = 0.01
"""Standard deviation [rad] over the data below which an axis-angle entry counts as one that never moves."""
_MIRRORED_POSE = [joint - 1 for joint in MIRRORED_JOINTS[1:]]
_MIRROR_AXIS_ANGLE = (1.0, -1.0, -1.0)  # a rotation seen in the mirror x → −x
_LEGS = (0, 1, 3, 4, 6, 7, 9, 10)
_ARMS = ((12, 15, 17, 19), (13, 16, 18, 20))  # collar to wrist; indices of pose_body
PoseTensor = Float[Tensor, "*batch 21 3"]


@dataclass(frozen=True)
class PoseRecipe:
    """All numbers of a training run."""

    steps: int = 10_000
    batch: int = 2048
    learning_rate: float = 2e-3
    warm_up: int = 200  # steps
    kl: float = 2.0  # above 1, the latents of the data fill N(0, I) better, but the joint error is larger
    kl_annealed: float = 0.1  # share of the steps over which the KL weight rises to its value
    joint_sigma: float = 0.02  # standard deviation of a decoded joint, per axis [m]
    rotation_sigma: float = 0.15  # standard deviation of an entry of a decoded rotation matrix
    dropout: float = 0.0  # VPoser's 0.1 gave a joint error of 1.38 cm instead of 1.32 cm after 3,000 steps
    still_noise: float = 0.2  # noise [rad] on inputs that never move in the data, so that bent toes do no harm
    swapped: float = 0.3  # share of the poses that get their legs or an arm from another pose
    gradient_norm: float = 100.0
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """Learning rate at a step: a linear rise, and half a cosine from the peak to 1 % of it."""
        cosine = 0.505 + 0.495 * math.cos(math.pi * step / self.steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warm_up) * cosine

    def kl_at(self, step: int) -> float:
        """KL weight at a step. It rises linearly at first, because full weight from the start leaves latents unused."""
        return self.kl * min(1.0, step / (self.kl_annealed * self.steps))


@dataclass(frozen=True)
class PoseLoss:
    """Loss of one batch per pose [nats], summed over joints or latents, with ``kl`` unweighted.

    ``joint_error`` is the mean joint error [m].
    """

    total: float
    joints: float
    rotations: float
    kl: float
    joint_error: float


class PoseTrainer:
    """Network, optimiser and poses of a training run. ``step`` trains; ``save`` and ``resume`` continue a run.

    Args:
        poses: Rotations of the body joints.
        half: Whether matrix products are computed in bfloat16.
    """

    def __init__(
        self,
        poses: Float[Tensor, "n 21 3 3"],
        body: BodyModel,
        recipe: PoseRecipe,
        *,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.half = recipe, torch.device(device), half
        self.poses = matrix_to_axis_angle(poses).to(self.device)
        self.joints_of = joint_positions(body, device=self.device)
        self.noise = recipe.still_noise * (self.poses.std(0, keepdim=True) < STILL)
        self.network = new_network().to(self.device)
        self.network.dropout.p = recipe.dropout
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=recipe.learning_rate)
        self.steps_done = 0

    def step(self) -> PoseLoss:
        """Draw a batch, do one step along the gradient of its loss, and return the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.steps_done)
        total, numbers = self._loss(self._draw(), kl_weight=self.recipe.kl_at(self.steps_done))
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_norm)
        self.optimiser.step()
        self.steps_done += 1
        return PoseLoss(*numbers.tolist())

    def save(self, path: Path) -> None:
        """Write a checkpoint with everything that the next step depends on."""
        state = {
            "recipe": asdict(self.recipe),
            "steps_done": self.steps_done,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }
        with replacing(path) as beside:
            torch.save(state, beside)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of ``save``.

        Raises:
            InputError: The file is not such a checkpoint, or it was made with another recipe.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise InputError(f"{path}: cannot be read as a checkpoint; remove it to start anew") from error
        if not isinstance(state, dict) or "recipe" not in state:
            raise InputError(f"{path}: not a checkpoint of this training; remove it to start anew")
        theirs, mine = state["recipe"], asdict(self.recipe)
        if other := [f"{key} {theirs.get(key)}" for key in mine if theirs.get(key) != mine[key]]:
            raise InputError(f"{path}: was begun with {', '.join(other)}; give these or another --out")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["cuda_random"] is not None:
            torch.cuda.set_rng_state(state["cuda_random"], self.device)
        self.steps_done = state["steps_done"]

    def _draw(self) -> Float[Tensor, "batch 21 3"]:
        """A batch of poses. Half are mirrored, and some have limbs of another pose."""
        count = self.recipe.batch
        pose = self._pick(count)
        flip = torch.rand(count, device=self.device) < 0.5
        pose = torch.where(flip[:, None, None], mirror_pose(pose), pose)
        swapped = int(count * self.recipe.swapped)
        return torch.cat((swap_limbs(pose[:swapped], self._pick(swapped)), pose[swapped:]))

    def _pick(self, count: int) -> Float[Tensor, "batch 21 3"]:
        return self.poses[torch.randint(len(self.poses), (count,), device=self.device)]

    def _loss(self, pose: Float[Tensor, "batch 21 3"], *, kl_weight: float) -> tuple[Tensor, Tensor]:
        """The loss of some poses, and the numbers of ``PoseLoss`` on the device."""
        recipe = self.recipe
        true = axis_angle_to_matrix(pose)
        seen = pose + self.noise * torch.randn_like(pose)
        with torch.autocast(self.device.type, torch.bfloat16) if self.half else nullcontext():
            mean, std = (x.float() for x in posterior(self.network, seen.flatten(1)))
            decoded = decode_rotations(self.network, mean + std * torch.randn_like(mean))
        squared = (self.joints_of(decoded) - self.joints_of(true)).square().sum(-1)
        joints = squared.sum(-1).mean() / (2 * recipe.joint_sigma**2)
        rotations = (decoded - true).square().sum((1, 2, 3)).mean() / (2 * recipe.rotation_sigma**2)
        kl = (0.5 * (mean**2 + std**2 - 1) - std.log()).sum(-1).mean()
        total = joints + rotations + kl_weight * kl
        return total, torch.stack((total, joints, rotations, kl, squared.sqrt().mean())).detach()


def mirror_pose(pose: PoseTensor) -> PoseTensor:
    """Mirror poses, axis-angle (..., 21, 3): exchange left and right. Two mirrorings give the pose back."""
    return pose[..., _MIRRORED_POSE, :] * torch.tensor(_MIRROR_AXIS_ANGLE, device=pose.device)


def swap_limbs(pose: Float[Tensor, "n 21 3"], other: Float[Tensor, "n 21 3"]) -> Float[Tensor, "n 21 3"]:
    """Replace limbs by those of other poses: the legs in the first half of the poses, one arm in the rest.

    The results combine limbs that never occur together in the data.
    """
    half, three = len(pose) // 2, 3 * len(pose) // 4
    taken = torch.zeros(len(pose), NUM_POSE_JOINTS, 1, dtype=torch.bool, device=pose.device)
    taken[:half, _LEGS] = True
    taken[half:three, _ARMS[0]] = True
    taken[three:, _ARMS[1]] = True
    return torch.where(taken, other, pose)


def joint_positions(body: BodyModel, *, device: torch.device | str = "cpu") -> Callable[[Tensor], Tensor]:
    """Function from rotations (n, 21, 3, 3) to joints (n, 22, 3) [m] of the mean body with the root at rest."""
    placed = body.to(device)

    def joints(pose_body: Tensor) -> Tensor:
        count = len(pose_body)
        root = torch.eye(3, device=device).expand(1, count, 3, 3)
        trans, betas = torch.zeros(1, count, 3, device=device), torch.zeros(1, 16, device=device)
        return placed.joints(trans, root, pose_body[None], betas)[0]

    return joints


def save_vposer_folder(network: torch.nn.Module, folder: Path, *, notes: dict[str, Any]) -> Path:
    """Write ``*.ini`` and ``snapshots/*.pt`` as ``load_vposer`` reads them, and return the path of the snapshot.

    Matrices are stored in half precision, which moves decoded joints by 0.02 mm (at most 0.5 mm in 2,000 samples).

    Args:
        notes: Further lines for the ``.ini``, which say how the weights were trained.
    """
    settings = {"num_neurons": NUM_NEURONS, "latentD": LATENT_DIM, "data_shape": [1, NUM_POSE_JOINTS, 3]}
    settings |= {"use_cont_repr": True} | notes
    snapshot = folder / SNAPSHOT
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} : {value}\n" for key, value in settings.items()]
    (folder / SETTINGS).write_text("[All]\n" + "".join(lines), encoding="utf-8")
    state = {key: value.cpu() for key, value in network.state_dict().items()}
    torch.save({key: value.half() if value.dim() == 2 else value for key, value in state.items()}, snapshot)
    return snapshot


def train(
    trainer: PoseTrainer,
    checkpoint: Path,
    *,
    save_every: float = 60.0,
    report: Callable[[int, PoseLoss], None],
) -> None:
    """Train to the end of the recipe. The checkpoint is written every ``save_every`` seconds and when training ends.

    Args:
        report: Function called after every step with the number of steps and the loss.
    """
    saved = time.monotonic()
    try:
        while trainer.steps_done < trainer.recipe.steps:
            loss = trainer.step()
            report(trainer.steps_done, loss)
            if time.monotonic() - saved > save_every:
                trainer.save(checkpoint)
                saved = time.monotonic()
    finally:
        trainer.save(checkpoint)


def run(options: argparse.Namespace, *, device: str) -> None:
    """Run the command ``pose-prior``: train on ``--data`` and write ``--out``. A checkpoint there is continued."""
    body = load_body(options.smpl)
    given = {f.name: getattr(options, f.name, None) for f in fields(PoseRecipe)}
    recipe = PoseRecipe(**{key: value for key, value in given.items() if value is not None})
    poses = load_clips(options.data, body, split="train").rotations[:, 1:]
    trainer = PoseTrainer(poses, body, recipe, device=device, half=options.bfloat16)
    checkpoint = options.out / CHECKPOINT
    options.out.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        print(f"continuing from {checkpoint} at step {trainer.steps_done}", file=sys.stderr)
    progress = Progress(recipe.steps, done=trainer.steps_done, unit="steps")

    def report(done: int, loss: PoseLoss) -> None:
        error = 100 * loss.joint_error
        progress.show(done, f"joints {error:.2f} cm  kl {loss.kl:.1f}  loss {loss.total:.1f}")

    train(trainer, checkpoint, report=report)
    notes = {"train_poses": len(poses)} | asdict(recipe)
    snapshot = save_vposer_folder(trainer.network, options.out, notes=notes)
    print(f"wrote {snapshot}; measure it with `python -m optim.train evaluate-pose-prior`", file=sys.stderr)
