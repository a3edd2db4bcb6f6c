"""Compute skinning weights for the 52 joints, and the regressor that finds the joints from the skin."""

import numpy as np
import scipy.sparse as sp
from scipy.optimize import nnls

from assets.build.body.rig import Rig
from assets.build.body.shapes import ShapeSpace
from assets.build.body.tree import JOINT, JOINT_NAMES, MIRRORED_JOINTS, PARENTS

# At these joints MakeHuman's bones slide along the skin. The joints here keep their mean place under the skin.
SKIN_JOINTS = ("spine1", "spine2", "spine3", "left_knee")
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "left_collar", "right_collar")
MIRROR = np.array(MIRRORED_JOINTS)

# MakeHuman's bones by their first letters → joint, with # for left or right. The first match counts.
_BONE_JOINTS = (
    (("root", "pelvis", "breast", "spine"), "spine"),
    (("neck01", "neck02"), "neck"),
    (("clavicle", "shoulder01"), "#_collar"),
    (("upperarm",), "#_shoulder"),
    (("lowerarm",), "#_elbow"),
    (("wrist", "metacarpal"), "#_wrist"),
    (("upperleg",), "#_hip"),
    (("lowerleg",), "#_knee"),
    (("foot",), "#_ankle"),
    (("toe",), "#_foot"),
    *(
        ((f"finger{n}-{k}",), f"#_{name}{k}")
        for n, name in enumerate(("thumb", "index", "middle", "ring", "pinky"), 1)
        for k in (1, 2, 3)
    ),
    (("",), "head"),
)


def smooth_step(x: np.ndarray) -> np.ndarray:
    """Smooth function that is 0 below 0 and 1 above 1."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def skinning_weights(
    rig: Rig,
    vertex_ids: np.ndarray,
    mean: np.ndarray,
    mean_joints: np.ndarray,
) -> np.ndarray:
    """MakeHuman's weights summed for each SMPL+H joint (V, 52). Those of the spine are divided anew by height."""
    bones = rig.weights[vertex_ids]
    weights, spine = np.zeros((len(vertex_ids), 52)), np.zeros(len(vertex_ids))
    for i, bone in enumerate(rig.names):
        joint = next(joint for prefixes, joint in _BONE_JOINTS if bone.startswith(prefixes))
        if joint == "spine":
            spine += bones[:, i]
        else:
            weights[:, JOINT[joint.replace("#", "right" if bone.endswith(".R") else "left")]] += bones[:, i]
    above = [
        smooth_step((mean[:, 1] - (mean_joints[JOINT[name], 1] - reach)) / (2 * reach))
        for name, reach in (("spine1", 0.060), ("spine2", 0.050), ("spine3", 0.050))
    ]
    low, high = np.minimum(above[0], above[1]), np.minimum(above[1], above[2])
    weights[:, JOINT["pelvis"]] += spine * (1 - above[0])
    weights[:, JOINT["spine1"]] += spine * (above[0] - low)
    weights[:, JOINT["spine2"]] += spine * (low - high)
    weights[:, JOINT["spine3"]] += spine * high
    return weights


def seat_masks(vertices: np.ndarray, mirror: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the seat is smoothed (V,), and how far weights are relaxed between the legs (V,), both in [0, 1]."""
    _, y, z = vertices.T
    lower = weights[:, [JOINT["pelvis"], JOINT["left_hip"], JOINT["right_hip"]]].sum(1) > 0.5
    middle = np.nonzero((mirror == np.arange(len(vertices))) & lower)[0]
    bottom, depth = y[middle].min(), z[middle][y[middle].argmin()]
    line = middle[y[middle] < bottom + np.where(z[middle] < depth - 0.10, 0.17, 0.05)]
    distance = np.linalg.norm(vertices[:, None] - vertices[line][None], axis=-1).min(1)
    behind, over = smooth_step((depth - 0.02 - z) / 0.03), smooth_step((y - bottom) / 0.03)
    return smooth_step((0.075 - distance) / 0.05) * behind * over, smooth_step((0.11 - distance) / 0.06)


def relax_weights(weights: np.ndarray, mirror: np.ndarray, neighbours: sp.csr_matrix, crease: np.ndarray) -> np.ndarray:
    """Make the weights symmetric and smooth, and keep at most 4 joints per vertex. Rows sum to 1."""
    weights = (weights + weights[mirror][:, MIRROR]) / 2
    for _ in range(2):
        weights = 0.5 * weights + 0.5 * (neighbours @ weights)
    for _ in range(2):
        weights = weights + crease[:, None] * 0.6 * (neighbours @ weights - weights)
    weights = np.where(weights < 0.01, 0, weights)
    fourth = -np.sort(-weights, 1)[:, 3:4]
    weights = np.where(weights >= fourth, weights, 0)
    weights = weights / weights.sum(1, keepdims=True)
    return (weights + weights[mirror][:, MIRROR]) / 2


def joint_regressor(space: ShapeSpace, weights: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Symmetric regressor (52, V) that finds the joints of every shape. Rows are non-negative and sum to 1.

    Each row is a non-negative least-squares fit over the vertices around the joint, to its position in the mean body
    (weight 3) and to its displacement by each beta, in mm.
    """
    regressor = np.zeros((52, len(mirror)))
    vertices = np.concatenate([space.mean[..., None], space.directions], -1)
    joints = np.concatenate([space.mean_joints[..., None], space.joint_directions], -1)
    for j, name in enumerate(JOINT_NAMES):
        if name.startswith("right"):
            continue
        near = _vertices_around(j, space, weights)
        pairs = np.stack([near, mirror[near] if MIRROR[j] == j else near], 1)
        if MIRROR[j] == j:
            pairs = np.unique(np.sort(pairs, 1), axis=0)
        offsets = (vertices[pairs[:, 0]] + vertices[pairs[:, 1]]) / 2 - joints[j]
        shares = _fit_row(offsets * 1e3, only_mean=name in SKIN_JOINTS)
        np.add.at(regressor[j], pairs, shares[:, None] / 2)
        if MIRROR[j] != j:
            regressor[MIRROR[j], mirror] = regressor[j]
    regressor[regressor < 1e-6] = 0
    return regressor / regressor.sum(1, keepdims=True)


def _fit_row(offsets: np.ndarray, *, only_mean: bool) -> np.ndarray:
    """Shares (n,) whose weighted sum of the offsets (n, 3, 1 + betas) [mm] is nearly zero. A ridge spreads them."""
    count = len(offsets)
    if only_mean:
        offsets = offsets[..., :1]
    ridge = np.sqrt(30.0 if only_mean else 0.05) * np.sqrt(count)
    to_mean, to_betas = offsets[..., 0].T * 3, offsets[..., 1:].reshape(count, -1).T
    matrix = np.concatenate([to_mean, to_betas, np.full((1, count), 1e3), ridge * np.eye(count)])
    wanted = np.zeros(len(matrix))
    wanted[len(matrix) - count - 1] = 1e3
    shares, _ = nnls(matrix, wanted, maxiter=50000)
    shares[shares < 1e-4 * shares.max()] = 0
    return shares / shares.sum()


def _vertices_around(j: int, space: ShapeSpace, weights: np.ndarray) -> np.ndarray:
    """Vertices that may determine joint ``j``: a band of the trunk, or the nearest ones of the joint's own limb."""
    name, vertices, joint = JOINT_NAMES[j], space.mean, space.mean_joints[j]
    above = np.abs(vertices[:, 1] - joint[1])
    if name in TRUNK:
        own = weights[:, [JOINT[n] for n in (*TRUNK, "left_hip", "right_hip")]].sum(1) > 0.5
        band = 0.08 if name in ("pelvis", "head") else 0.10
        if name.startswith("spine"):  # back and flanks only: the belly must not pull the spine
            own, band = own & (vertices[:, 2] < joint[2] + 0.05), 0.05
        return np.nonzero(own & (above < band))[0]
    related = [k for k in range(52) if k in (j, PARENTS[j]) or PARENTS[k] == j]
    own = weights[:, related].sum(1) > 0.5
    if name == "left_knee":
        return np.nonzero(own & (above < 0.05) & (vertices[:, 0] > 0))[0]
    distance = np.where(own, np.linalg.norm(vertices - joint, axis=1), np.inf)
    nearest = np.argsort(distance)[:260]
    return nearest[np.isfinite(distance[nearest])]
