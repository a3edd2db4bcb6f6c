"""Read the models of a fit, shipped or official: body, motion prior and prior of the initial state.

The pose prior has its own reader, ``optim.priors.pose_prior.load_pose_prior``. Nothing here executes pickled code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.priors.init_state_prior import DIMENSIONS, InitStatePrior
from optim.priors.motion_prior import MotionPrior
from optim.reading.arrays import read_arrays, require_finite
from optim.reading.files import is_file, is_folder, require_file
from optim.reading.weights import read_weights

_BODY = "an SMPL+H model.npz with 16 betas"
_BODY_ARRAYS = ("v_template", "f", "weights", "J_regressor", "shapedirs", "posedirs", "kintree_table")
_GMM = "the prior of the first frame (prior_gmm.npz)"


def load_body(path: Path | str, *, gender: str = "neutral") -> BodyModel:
    """Read an SMPL+H body.

    Args:
        path: A ``model.npz``, or a folder with ``{gender}/model.npz`` or ``model.npz`` in it.
        gender: Body of the folder to read. "neutral" is read if this one is absent.

    Raises:
        InputError: There is no such file, or its arrays are not those of SMPL+H.
    """
    file = find_body(Path(path), gender=gender)
    arrays = read_arrays(file, _BODY_ARRAYS, optional=("keypoint_vertices",), what=_BODY)
    _check_body_shapes(arrays, file)
    return BodyModel.from_arrays(arrays, name=str(file))


def find_body(path: Path, *, gender: str = "neutral") -> Path:
    """File that ``load_body`` reads for the same arguments.

    Raises:
        InputError: There is no such file, or the folder holds no body.
    """
    if not is_folder(path):
        return require_file(path, what=_BODY)
    tried = [path / gender / "model.npz", path / "model.npz", path / "neutral" / "model.npz"]
    for file in tried:
        if is_file(file):
            return file
    raise InputError(f"{path}: no {gender}/model.npz or model.npz in it; {_BODY} is expected")


def _check_body_shapes(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    for name, dimensions in {"v_template": 2, "kintree_table": 2, "shapedirs": 3}.items():
        if arrays[name].ndim != dimensions:
            raise InputError(f"{file}: {name} has shape {arrays[name].shape}; {_BODY} is expected")
    vertices, joints = len(arrays["v_template"]), arrays["kintree_table"].shape[-1]
    expected = {
        "v_template": (vertices, 3),
        "weights": (vertices, joints),
        "J_regressor": (joints, vertices),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
        "kintree_table": (2, joints),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise InputError(f"{file}: {name} has shape {arrays[name].shape}, not {shape}; {_BODY} is expected")
    faces = arrays["f"]
    if faces.ndim != 2 or faces.shape[1] != 3 or not _indices(faces, vertices):
        raise InputError(f"{file}: f {faces.shape} is not a list of triangles; {_BODY} is expected")
    key_vertices = arrays.get("keypoint_vertices")
    if key_vertices is not None and (key_vertices.shape != (43,) or not _indices(key_vertices, vertices)):
        raise InputError(f"{file}: keypoint_vertices are not 43 indices of {vertices} vertices; {_BODY} is expected")
    for name in ("v_template", "weights", "J_regressor", "shapedirs", "posedirs"):
        require_finite(arrays[name], name=name, path=file)
    _check_skin(arrays["weights"], file)
    _check_tree(arrays["kintree_table"][0], file)


def _indices(array: np.ndarray, count: int) -> bool:
    """Whether these are whole numbers from 0 to count - 1."""
    return bool((array == np.floor(array)).all() and array.min(initial=0) >= 0 and array.max(initial=0) < count)


def _check_skin(weights: np.ndarray, file: Path) -> None:
    sums = weights.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax()) if len(sums) else 0
    if len(sums) and (abs(sums[worst] - 1) > 0.02 or weights.min() < -1e-3):
        raise InputError(
            f"{file}: the skinning weights of vertex {worst} sum to {sums[worst]:.3g}, the smallest weight is"
            f" {weights.min():.3g}; weights are not negative and sum to 1"
        )


def _check_tree(parents: np.ndarray, file: Path) -> None:
    """Check that the parent of every joint but the first comes before it, as in every SMPL body.

    The tree can then contain no circle.
    """
    for joint, parent in enumerate(parents.tolist()[1:], start=1):
        if not 0 <= parent < joint:
            raise InputError(
                f"{file}: kintree_table gives joint {joint} the parent {parent}; a parent must come before its joint"
            )


def load_motion_prior(path: Path | str) -> MotionPrior:
    """Read HuMoR's checkpoint: a dict whose ``model`` is the state dict, with or without ``module.`` before its keys.

    Weights in half precision are converted to float32. The result is for inference only: it is in evaluation mode, and
    its weights take no gradients.

    Raises:
        InputError: The file is not such a checkpoint, or its weights are of another architecture; names the first
            layer that differs.
    """
    file = Path(path)
    content = read_weights(file, what="a HuMoR checkpoint (best_model.pth)")
    state = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise InputError(f"{file}: no entry `model` with the weights in it; a HuMoR checkpoint is expected")
    state = {str(key).removeprefix("module."): value for key, value in state.items()}
    prior = MotionPrior()
    _check_architecture(state, prior.state_dict(), file)
    prior.load_state_dict({key: value.float() for key, value in state.items()})
    return prior.eval().requires_grad_(False)


def _check_architecture(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], file: Path) -> None:
    advice = "HuMoR's published one (48 latents, joints and contacts) is needed; give such a checkpoint"
    for key, tensor in wanted.items():
        if not isinstance(state.get(key), Tensor):
            raise InputError(f"{file}: no weights {key}, so it is another architecture; {advice}")
        if state[key].shape != tensor.shape:
            found, needed = tuple(state[key].shape), tuple(tensor.shape)
            raise InputError(f"{file}: {key} has shape {found}, not {needed}, so it is another architecture; {advice}")
        if not torch.isfinite(state[key]).all():
            raise InputError(f"{file}: {key} holds NaN or infinity; the training went wrong or the file is damaged")
    if extra := sorted(set(state) - set(wanted)):
        raise InputError(f"{file}: weights {extra[0]} are unknown, so it is another architecture; {advice}")


def load_init_state_prior(path: Path | str) -> InitStatePrior:
    """Read the prior of the initial state, a Gaussian mixture, from ``prior_gmm.npz`` or the folder that holds it.

    Raises:
        InputError: The file is missing, has wrong shapes, or does not hold a mixture of Gaussians.
    """
    file = Path(path)
    file = file / "prior_gmm.npz" if is_folder(file) else file
    arrays = read_arrays(file, ("weights", "means", "covariances"), what=_GMM)
    weights, means, covariances = (arrays[name] for name in ("weights", "means", "covariances"))
    shapes = (weights.shape, means.shape, covariances.shape)
    count = weights.size
    if shapes != ((count,), (count, DIMENSIONS), (count, DIMENSIONS, DIMENSIONS)) or not count:
        raise InputError(
            f"{file}: weights, means, covariances have shapes {shapes}; (K,), (K, 138), (K, 138, 138) are expected"
        )
    for name, array in arrays.items():
        require_finite(array, name=name, path=file)
    if (weights < 0).any() or abs(weights.sum() - 1) > 1e-3:
        raise InputError(f"{file}: weights must be positive and sum to 1; they sum to {weights.sum():.4f}")
    try:
        np.linalg.cholesky(covariances.astype(np.float64))
    except np.linalg.LinAlgError:
        raise InputError(f"{file}: a covariance is not positive definite; fit the mixture again") from None
    return InitStatePrior(_tensor(weights), _tensor(means), _tensor(covariances))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
