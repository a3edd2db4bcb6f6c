"""Write a motion as binary glTF: a skinned mesh on 22 joints, animated frame by frame; y up, floor at y = 0.

Lengths are in metres, as glTF has it, unless ``Bones`` scale them for a program that takes its numbers for another
unit.

The bind pose is the shaped T-pose, facing +z. Every joint has a rotation per frame, and the root also a translation. A
body with pose blend shapes (SMPL+H has them, the shipped body has not) gets morph targets with animated weights, so
that the surface is complete (``pose_morphs``). Programs that ignore morph targets show plain linear blend skinning.
Skin weights come in sets of four. If the input had a camera of known image size, the file has a camera node. glTF knows
no principal point, so it is taken to be the image centre.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from optim.body.joints import NUM_JOINTS
from optim.results.saving.bones import Bones
from optim.results.saving.glb import INDICES, VERTICES, GlbBuilder
from optim.results.saving.take import Y_UP_FROM_Z_UP, Take

_FLIP_YZ = np.diag([1.0, -1.0, -1.0])  # glTF's cameras look along -z with y up
LEAST_WEIGHT = 1e-5
"""Blend shapes whose weight never exceeds this are left out. They move a body by less than 0.001 mm."""
_SKIN_COLOR = [0.78, 0.69, 0.60, 1.0]


def write_gltf(take: Take, folder: Path, *, bones: Bones | None = None) -> list[Path]:
    """Write ``STEM.glb`` and return its path. Without ``bones`` it has SMPL's names and is in metres."""
    bones = bones or Bones()
    file = GlbBuilder(generator="humorscope")
    joints = _add_joints(file, take, bones)
    mesh = _add_mesh(file, take, bones.scale)
    body = file.add("nodes", {"name": "body", "mesh": mesh, "skin": _add_skin(file, take, joints, bones.scale)})
    cameras = _add_camera(file, take, bones.scale)
    _add_animation(file, take, joints, body, bones.scale)
    file.add("scenes", {"name": take.stem, "nodes": [joints[0], body, *cameras]})
    file.content |= {"scene": 0}
    path = folder / f"{take.stem}.glb"
    file.write(path)
    return [path]


def _add_joints(file: GlbBuilder, take: Take, bones: Bones) -> list[int]:
    """Add one node per joint in the rest pose, and return the indices of the nodes."""
    rest, parents = take.rest_joints, take.body.parents[:NUM_JOINTS]
    first = len(file.content.get("nodes", []))
    for joint, parent in enumerate(parents):
        offset = rest[joint] - (rest[parent] if parent >= 0 else 0.0)
        node: dict[str, Any] = {"name": bones.names[joint], "translation": (offset * bones.scale).tolist()}
        if children := [first + j for j, p in enumerate(parents) if p == joint]:
            node["children"] = children
        file.add("nodes", node)
    return list(range(first, first + NUM_JOINTS))


def _add_mesh(file: GlbBuilder, take: Take, scale: float) -> int:
    vertices, faces = take.rest_vertices * scale, take.body.faces
    attributes = {
        "POSITION": file.accessor(vertices.astype(np.float32), target=VERTICES, bounds=True),
        "NORMAL": file.accessor(normals(vertices, faces).astype(np.float32), target=VERTICES),
    }
    for number, (bones, weights) in enumerate(skin_sets(take.body.weights.double().numpy())):
        attributes[f"JOINTS_{number}"] = file.accessor(bones.astype(np.uint8), target=VERTICES)
        attributes[f"WEIGHTS_{number}"] = file.accessor(weights.astype(np.float32), target=VERTICES)
    rough = {"baseColorFactor": _SKIN_COLOR, "metallicFactor": 0.0, "roughnessFactor": 0.8}
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": file.accessor(faces.astype(np.uint32).ravel(), target=INDICES),
        "material": file.add("materials", {"name": "body", "pbrMetallicRoughness": rough}),
    }
    mesh: dict[str, Any] = {"name": "body", "primitives": [primitive]}
    targets, _ = pose_morphs(take)
    if len(targets):
        primitive["targets"] = [
            {"POSITION": file.accessor(t * np.float32(scale), target=VERTICES, bounds=True)} for t in targets
        ]
        mesh["weights"] = [0.0] * len(targets)
    return file.add("meshes", mesh)


def _add_skin(file: GlbBuilder, take: Take, joints: list[int], scale: float) -> int:
    inverse = np.tile(np.eye(4, dtype=np.float32), (NUM_JOINTS, 1, 1))
    inverse[:, :3, 3] = -take.rest_joints * scale
    return file.add("skins", {"joints": joints, "skeleton": joints[0], "inverseBindMatrices": file.accessor(inverse)})


def _add_animation(file: GlbBuilder, take: Take, joints: list[int], body: int, scale: float) -> None:
    times = file.accessor((np.arange(take.frames) / take.fps).astype(np.float32), bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def animate(node: int, path: str, values: np.ndarray) -> None:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        output = file.accessor(values.astype(np.float32))
        samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})

    rotations = take.rotations
    animate(joints[0], "translation", take.root_positions @ Y_UP_FROM_Z_UP.T * scale)
    for joint, node in enumerate(joints):
        turned = Y_UP_FROM_Z_UP @ rotations[:, 0] if joint == 0 else rotations[:, joint]
        animate(node, "rotation", smooth_quaternions(turned))
    _, weights = pose_morphs(take)
    if weights.size:
        animate(body, "weights", weights.ravel())
    file.add("animations", {"name": take.stem, "samplers": samplers, "channels": channels})


def _add_camera(file: GlbBuilder, take: Take, scale: float) -> list[int]:
    """Add a node for the camera and return its index in a list. The list is empty if the image size is not known."""
    camera = take.result.camera
    if camera is None or camera.image_size is None:
        return []
    width, height = camera.image_size
    yfov = 2.0 * float(torch.atan(0.5 * height / camera.focal[0, 1]))
    lens = {"yfov": yfov, "aspectRatio": width / height, "znear": 0.01 * scale}
    index = file.add("cameras", {"name": "camera", "type": "perspective", "perspective": lens})
    turn = Y_UP_FROM_Z_UP @ take.R_world_input @ _FLIP_YZ
    place = Y_UP_FROM_Z_UP @ take.t_world_input * scale
    quaternion = Rotation.from_matrix(turn).as_quat()
    node = {"name": "camera", "camera": index, "translation": place.tolist(), "rotation": quaternion.tolist()}
    return [file.add("nodes", node)]


def pose_morphs(take: Take) -> tuple[np.ndarray, np.ndarray]:
    """Pose blend shapes as morph targets (M, V, 3) and their weights (T, M) between 0 and 1.

    The weight of a blend shape is an entry of R − 1 of a body joint, between −2 and 1. Blender clips weights to a range
    that it derives from the first frame. Therefore each blend shape has one target for its positive and one for its
    negative weights, and both are scaled by the largest weight. Targets that a motion does not use are left out.
    """
    directions = take.body.pose_directions
    if directions is None:
        return np.zeros((0, len(take.body.template), 3), np.float32), np.zeros((take.frames, 0))
    change = (take.rotations[:, 1:] - np.eye(3)).reshape(take.frames, -1)
    parts = np.concatenate((change, -change), axis=1).clip(min=0)
    shapes = directions.permute(2, 0, 1).numpy()
    peak = parts.max(0)
    used = peak > LEAST_WEIGHT
    targets = np.concatenate((shapes, -shapes))[used] * peak[used, None, None]
    return targets.astype(np.float32), parts[:, used] / peak[used]


def skin_sets(weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (V, J) as sets of joints (V, 4) and weights (V, 4), largest first. The joint is 0 where a weight is 0."""
    most = int((weights > 0).sum(1).max())
    order = np.argsort(-weights, axis=1, kind="stable")[:, : 4 * -(-most // 4)]
    kept = np.take_along_axis(weights, order, axis=1)
    bones = np.where(kept > 0, order, 0)
    return [(bones[:, k : k + 4], kept[:, k : k + 4]) for k in range(0, order.shape[1], 4)]


def smooth_quaternions(rotations: np.ndarray) -> np.ndarray:
    """Quaternions (T, 4) x, y, z, w of rotations (T, 3, 3).

    Their signs are chosen so that interpolation between frames takes the short way.
    """
    quaternions = Rotation.from_matrix(rotations).as_quat()
    turn = np.sign((quaternions[1:] * quaternions[:-1]).sum(1))
    quaternions[1:] *= np.cumprod(np.where(turn == 0, 1.0, turn))[:, None]
    return quaternions


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3) of the vertices: means over the faces, weighted by area. +y at vertices without a face."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    of_faces = np.cross(b - a, c - a)
    summed = np.stack([np.bincount(faces.ravel(), of_faces[:, k].repeat(3), len(vertices)) for k in range(3)], axis=1)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.where(length > 0, summed / np.maximum(length, 1e-30), [0.0, 1.0, 0.0])
