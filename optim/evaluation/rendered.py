"""Made-up photographs of a body: a person in plain clothes before a wall, as the networks of a video see one."""

from __future__ import annotations

import cv2
import numpy as np

from optim.body.body_model import BodyModel
from optim.body.joints import JOINT_NAMES

SKIN = ((224, 180, 150), (200, 150, 120), (140, 95, 70), (240, 200, 175))
HAIR = ((40, 30, 20), (20, 20, 20), (120, 85, 40))
"""Colours, RGB."""
SHIRT = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar", "left_shoulder", "right_shoulder")
TROUSERS = ("left_hip", "right_hip", "left_knee", "right_knee")
SHOES = ("left_ankle", "right_ankle", "left_foot", "right_foot")
"""Joints whose parts of the body wear something."""
CROWN, NAPE = 0.08, 0.2
"""Heights [m] below the top of the head down to which it has hair: all around, and behind."""
LIGHT = np.array([0.30, -0.71, -0.61])
"""Direction from which the light comes, in the camera frame."""
AMBIENT = 0.55
GRAIN = 4.0
"""Standard deviation of the noise of the image, of 255."""
_SUBPIXEL = 4


def photograph(
    body: BodyModel, mesh: np.ndarray, pixels: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """A body in the image of a camera, RGB uint8 (H, W, 3), with colours drawn by chance.

    Faces are drawn from the farthest to the nearest, with diffuse light.

    Args:
        mesh: (V, 3) vertices in the camera frame [m].
        pixels: (V, 2) the same in the image [px].
        size: Width and height [px].
    """
    faces = np.asarray(body.faces)
    corners = mesh[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    shade = AMBIENT + (1 - AMBIENT) * np.clip(normal @ LIGHT, 0, 1)
    colours = _dressed(body, rng)[faces].mean(axis=1) * shade[:, None]
    order = np.argsort(-corners[:, :, 2].mean(axis=1))
    order = order[(normal * corners.mean(axis=1)).sum(axis=1)[order] < 0]
    wall = rng.uniform(90, 220, 3)
    image = np.empty((size[1], size[0], 3), np.uint8)
    image[:] = wall
    image[round(0.62 * size[1]) :] = 0.75 * wall
    points = np.round(pixels[faces] * 2**_SUBPIXEL).astype(np.int32)
    for face in order:
        cv2.fillConvexPoly(image, points[face], colours[face].tolist(), shift=_SUBPIXEL)
    blurred = cv2.GaussianBlur(image, (3, 3), 0)
    return np.clip(blurred + rng.normal(0, GRAIN, image.shape), 0, 255).astype(np.uint8)


def _dressed(body: BodyModel, rng: np.random.Generator) -> np.ndarray:
    """Colour of each vertex (V, 3)."""
    part = body.weights.numpy().argmax(axis=1)
    rest = body.template.numpy()
    colours = np.tile(np.array(SKIN[rng.integers(len(SKIN))], float), (len(rest), 1))
    for names, low, high in ((SHIRT, 30, 230), (TROUSERS, 20, 140), (SHOES, 10, 80)):
        colours[np.isin(part, [JOINT_NAMES.index(name) for name in names])] = rng.uniform(low, high, 3)
    head = part == JOINT_NAMES.index("head")
    below = rest[head, 1].max() - rest[:, 1]
    hair = head & ((below < CROWN) | ((rest[:, 2] < 0) & (below < NAPE)))
    colours[hair] = HAIR[rng.integers(len(HAIR))]
    return colours
