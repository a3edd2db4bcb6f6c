"""Trains VPoser, the pose prior, on body poses and writes it as a VPoser v1 folder.

Knows poses one by one, nothing of their order. A variational autoencoder in human_body_prior's own class: the latent
of a pose is pulled towards N(0, I), and the decoded pose is held to the true one in rotation and in joint position.
Source of network and loss: Pavlakos et al., "Expressive Body Capture", CVPR 2019; joint positions stand in for its
mesh vertices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from optim.body import BodyModel
from optim.errors import InputError
from optim.pose_prior import LATENT_DIM, NUM_NEURONS, NUM_POSE_JOINTS, decode_rotations, new_network, posterior
from optim.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from optim.train.data import MIRRORED_JOINTS

_MIRRORED_POSE = [joint - 1 for joint in MIRRORED_JOINTS[1:]]
_MIRROR_AXIS_ANGLE = (1.0, -1.0, -1.0)  # a rotation seen in the mirror x → −x
SNAPSHOT = "snapshots/TR00_E000.pt"
SETTINGS = "TR00_free_motion.ini"


@dataclass(frozen=True)
class PoseTraining:
    """The recipe. Two runs with the same recipe, data and machine give the same weights."""

    steps: int = 12_000
    batch: int = 2048
    learning_rate: float = 2e-3
    kl_weight: float = 2.0
    """Over 1: the encoder's latents then fill N(0, I) better, at the price of joint error."""
    joint_sigma: float = 0.02
    """Joint error [m] that costs as much as one nat does, per axis."""
    rotation_sigma: float = 0.15
    """The same for the entries of the rotation matrices."""
    input_noise: float = 0.05
    """[rad] added to what the encoder sees; without it, joints that never move in the data would blow it up."""
    seed: int = 0
    bfloat16: bool = False
    """Matrix products in bfloat16 (weights stay float32): 4 times faster where the processor has the instructions."""


@dataclass(frozen=True)
class PoseLoss:
    """One batch, per pose and summed over joints or latents [nats], before the KL weight; joint error in metres."""

    total: float
    joints: float
    rotations: float
    kl: float
    joint_error: float


class PoseTrainer:
    """The state of a training run: ``step`` moves it by one batch; ``state`` and ``restore`` carry it over a break."""

    def __init__(
        self, poses: Float[Tensor, "n 21 3 3"], body: BodyModel, *, recipe: PoseTraining, device: str = "cpu"
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, torch.device(device)
        self.poses = matrix_to_axis_angle(poses).to(self.device)
        self.joints_of = joint_positions(body, device=self.device)
        self.network = new_network().to(self.device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=recipe.learning_rate, weight_decay=0.0)
        self.steps_done = 0

    def step(self) -> PoseLoss:
        """Draw a batch, half of it mirrored, and follow the gradient of its loss once."""
        progress = self.steps_done / self.recipe.steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * learning_rate_share(progress, self.steps_done)
        pose = self._draw()
        total, report = self._loss(pose, kl_weight=self.recipe.kl_weight * min(1.0, 10.0 * progress))
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 100.0)
        self.optimiser.step()
        self.steps_done += 1
        return report

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as torch can save it."""
        return {
            "recipe": asdict(self.recipe),
            "steps_done": self.steps_done,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, state: dict[str, Any], *, name: str = "checkpoint") -> None:
        """Go on from ``state``.

        Raises:
            InputError: It belongs to another recipe.
        """
        mine = asdict(self.recipe)
        if other := [f"{key} {state['recipe'].get(key)}" for key in mine if state["recipe"].get(key) != mine[key]]:
            raise InputError(f"{name}: was written with {', '.join(other)}; use the same options or another --out")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        self.steps_done = state["steps_done"]

    def _draw(self) -> Float[Tensor, "batch 21 3"]:
        chosen = torch.randint(len(self.poses), (self.recipe.batch,), device=self.device)
        pose = self.poses[chosen]
        flip = torch.rand(self.recipe.batch, device=self.device) < 0.5
        return torch.where(flip[:, None, None], mirror_pose(pose), pose)

    def _loss(self, pose: Float[Tensor, "batch 21 3"], *, kl_weight: float) -> tuple[Tensor, PoseLoss]:
        recipe = self.recipe
        true = axis_angle_to_matrix(pose)
        seen = pose + recipe.input_noise * torch.randn_like(pose)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.bfloat16):
            mean, std = (x.float() for x in posterior(self.network, seen.flatten(1)))
            decoded = decode_rotations(self.network, mean + std * torch.randn_like(mean))
        squared = (self.joints_of(decoded) - self.joints_of(true)).square().sum(-1)
        joints = squared.sum(-1).mean() / (2 * recipe.joint_sigma**2)
        rotations = (decoded - true).square().sum((1, 2, 3)).mean() / (2 * recipe.rotation_sigma**2)
        kl = (0.5 * (mean**2 + std**2 - 1) - std.log()).sum(-1).mean()
        total = joints + rotations + kl_weight * kl
        numbers = torch.stack((total, joints, rotations, kl, squared.sqrt().mean())).tolist()
        return total, PoseLoss(*numbers)


def joint_positions(body: BodyModel, *, device: torch.device | str = "cpu") -> Callable[[Tensor], Tensor]:
    """The function (n, 21, 3, 3) → (n, 22, 3) [m]: joints of the mean body, root at rest."""
    moved = {f.name: getattr(body, f.name).to(device) for f in fields(body) if isinstance(getattr(body, f.name), Tensor)}
    placed = replace(body, **moved)

    def joints(pose_body: Tensor) -> Tensor:
        count = len(pose_body)
        root = torch.eye(3, device=device).expand(1, count, 3, 3)
        zeros = torch.zeros(1, 16, device=device)
        return placed.joints(torch.zeros(1, count, 3, device=device), root, pose_body[None], zeros)[0]

    return joints


def mirror_pose(pose: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 21 3"]:
    """Left and right exchanged, axis-angle; twice gives the pose back."""
    return pose[..., _MIRRORED_POSE, :] * torch.tensor(_MIRROR_AXIS_ANGLE, device=pose.device)


def learning_rate_share(progress: float, steps_done: int) -> float:
    """A warm-up of 200 steps, then half a cosine from 1 to 0.01."""
    return min(1.0, (steps_done + 1) / 200) * (0.505 + 0.495 * math.cos(math.pi * progress))


def save_vposer_folder(network: torch.nn.Module, folder: Path, *, notes: dict[str, Any]) -> Path:
    """Write ``*.ini`` and ``snapshots/*.pt`` as human_body_prior's ``load_vposer`` reads them; returns the snapshot.

    Matrices are stored in half precision: the joints they decode to move by hundredths of a millimetre.
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
