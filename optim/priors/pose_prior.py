"""VPoser v1, the prior of single body poses: 32 numbers for 21 rotations.

The network and its file layout are those of human_body_prior, so that weights can be exchanged. Only the layers of that
class are used: its rotation logarithm and its sampler fail with current versions of torch.
Source: Pavlakos et al., "Expressive Body Capture", CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from human_body_prior.train.vposer_smpl import VPoser
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import leaky_relu

from optim.common.errors import InputError
from optim.common.rotations import matrix_to_axis_angle
from optim.common.threads import pieces, side_by_side
from optim.common.timing import timed
from optim.reading.weights import read_weights

NUM_POSE_JOINTS = 21
NUM_NEURONS = 512
LATENT_DIM = 32
_SLOPE = 0.2
_POSES_AT_A_TIME = 16
"""Number of poses whose derivatives are computed in one product."""
Latents = Float[Tensor, "n latent"]
Rotations = Float[Tensor, "*batch 21 3 3"]


class PosePrior:
    """A trained VPoser for inference only, without dropout. ``latent_dim`` is the length of ``latent_pose``."""

    def __init__(self, network: VPoser) -> None:
        self.network = network.eval().requires_grad_(False)
        self.latent_dim = int(network.latentD)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], *, name: str = "pose prior") -> PosePrior:
        """A pose prior from VPoser's state dict; the layer sizes follow from the weights.

        Raises:
            InputError: A weight is missing, has another shape than VPoser's for 21 joints, or is not finite.
        """
        state = {key.removeprefix("module."): value for key, value in state.items()}
        if broken := [key for key, value in state.items() if not torch.isfinite(value).all()]:
            raise InputError(f"{name}: {', '.join(broken)} is not finite; download or copy the file again")
        try:
            latent_dim, neurons = state["bodyprior_enc_mu.weight"].shape
            network = new_network(neurons=neurons, latent_dim=latent_dim)
            network.load_state_dict(state)
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).replace("\n", " ")
            raise InputError(f"{name}: not the weights of VPoser v1 for 21 joints ({reason})") from error
        return cls(network)

    @timed("priors")
    def encode(self, pose_body: Rotations) -> Float[Tensor, "*batch latent"]:
        """Mean of q(latent | pose). Gradients are finite everywhere, also at the identity."""
        mean, _ = posterior(self.network, matrix_to_axis_angle(pose_body).reshape(-1, 3 * NUM_POSE_JOINTS))
        return mean.reshape(*pose_body.shape[:-3], self.latent_dim)

    @timed("priors")
    def decode(self, latent: Float[Tensor, "*batch latent"]) -> Rotations:
        """The most likely pose of a latent, as rotation matrices relative to the parent joint."""
        return decode_rotations(self.network, latent)

    @timed("priors")
    def turns(self, latent: Float[Tensor, "*batch latent"]) -> Tensor:
        """Derivative (..., 21, 3, latent) of ``decode`` as small turns [rad] (see ``decoded_turns``).

        The threads share some poses at a time among them, so that the bits do not depend on the number of threads.
        """
        some = latent.reshape(-1, latent.shape[-1]).split(_POSES_AT_A_TIME)
        shares = side_by_side(lambda part: [decoded_turns(self.network, x) for x in some[part]], pieces(len(some)))
        return torch.cat([x for share in shares for x in share]).view(*latent.shape[:-1], -1, 3, latent.shape[-1])


def decoded_turns(network: VPoser, latent: Float[Tensor, "*batch latent"]) -> Tensor:
    """Derivative (..., 21, 3, latent) of the decoded rotations R, as small turns ω with R → exp([ω]×) R.

    The derivative goes forward through the layers, for all latents at once.
    """
    first, second, last = network.bodyprior_dec_fc1, network.bodyprior_dec_fc2, network.bodyprior_dec_out
    entered = first(latent)
    hidden = second(leaky_relu(entered, _SLOPE))
    moving = first.weight.T * _slopes(entered)[..., None, :]
    moving = (moving @ second.weight.T) * _slopes(hidden)[..., None, :]
    moving = (moving @ last.weight.T).unflatten(-1, (NUM_POSE_JOINTS, 3, 2)).movedim(-4, -1)
    a, b = last(leaky_relu(hidden, _SLOPE)).unflatten(-1, (NUM_POSE_JOINTS, 3, 2)).unbind(-1)
    da, db = moving.unbind(-2)
    x = _unit(a)
    across = b - (x * b).sum(-1, keepdim=True) * x
    y = _unit(across)
    z = torch.linalg.cross(x, y)
    long, wide = a.norm(dim=-1)[..., None], across.norm(dim=-1)[..., None]
    about_y = -_along(z, da) / long
    about_z = _along(y, da) / long
    about_x = (_along(z, db) + (x * b).sum(-1)[..., None] * about_y) / wide
    turns = zip((x, y, z), (about_x, about_y, about_z), strict=True)
    return torch.stack([axis[..., None] * turn[..., None, :] for axis, turn in turns]).sum(0)


def _slopes(entered: Tensor) -> Tensor:
    return torch.where(entered > 0, 1.0, _SLOPE).to(entered.dtype)


def _along(axis: Tensor, moving: Tensor) -> Tensor:
    """Component of derivatives (..., 3, n) along an axis (..., 3)."""
    return (axis[..., None, :] @ moving)[..., 0, :]


def new_network(*, neurons: int = NUM_NEURONS, latent_dim: int = LATENT_DIM) -> VPoser:
    """An untrained VPoser for 21 joints, in human_body_prior's own class."""
    return VPoser(neurons, latent_dim, [1, NUM_POSE_JOINTS, 3])


def posterior(network: VPoser, pose: Float[Tensor, "n 63"]) -> tuple[Latents, Latents]:
    """Mean and standard deviation of q(latent | pose), pose as axis-angle [rad]."""
    distribution = network.encode(pose)
    return distribution.mean, distribution.scale


def decode_rotations(network: VPoser, latent: Float[Tensor, "*batch latent"]) -> Rotations:
    """VPoser's decoder: two hidden layers, then Gram–Schmidt on the 3×2 numbers of every joint.

    Up to rounding this equals the class's ``decode(latent, output_type='matrot')`` for any batch shape, and it is
    faster: 60 poses forward and backward take 1.4 instead of 1.6 ms on one thread, of which the layers take 1.0 ms.
    Dropout is active while the network is trained.
    Source of the 6D form: Zhou et al., CVPR 2019.
    """
    hidden = network.dropout(leaky_relu(network.bodyprior_dec_fc1(latent), _SLOPE))
    hidden = leaky_relu(network.bodyprior_dec_fc2(hidden), _SLOPE)
    columns = network.bodyprior_dec_out(hidden).to(latent.dtype).unflatten(-1, (NUM_POSE_JOINTS, 3, 2))
    x, y = columns.unbind(-1)
    x = _unit(x)
    y = _unit(y - (x * y).sum(-1, keepdim=True) * x)
    return torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)


def _unit(vector: Tensor) -> Tensor:
    return vector * torch.rsqrt((vector * vector).sum(-1, keepdim=True) + 1e-24)


def load_pose_prior(folder: Path | str) -> PosePrior:
    """Read a VPoser v1 folder: the newest of ``snapshots/*.pt``, as human_body_prior chooses it.

    The ``.ini`` file in the folder is not read, because the sizes in it follow from the weights.

    Raises:
        InputError: The folder or a snapshot in it does not exist, or the snapshot is not VPoser's.
    """
    folder = Path(folder)
    found = (folder / "snapshots").glob("*.pt")
    snapshots = sorted(found, key=lambda path: (path.stat().st_mtime, path.name))
    if not snapshots and any(folder.rglob("*.ckpt")):
        raise InputError(
            f"{folder}: VPoser v2 (snapshots/*.ckpt), but HuMoR was trained with v1; give the folder of VPoser v1"
            " (vposer_v1_0), which holds snapshots/*.pt"
        )
    if not snapshots:
        raise InputError(f"{folder}: no snapshots/*.pt; give the VPoser v1 folder that holds `snapshots`")
    path = snapshots[-1]
    state = read_weights(path, what="VPoser's weights")
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: holds {type(state).__name__}, not VPoser's table of weights")
    return PosePrior.from_state_dict(state, name=str(path))
