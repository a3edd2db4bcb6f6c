"""BlazePose: find the persons in an image, and the 33 landmarks of one of them.

Image coordinates are in pixels, x right, y down. Source: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose
tracking", 2020, and the conventions of the published networks (anchors, crops).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

DETECTOR_SIZE, LANDMARK_SIZE, HEATMAP_SIZE, MASK_SIZE = 224, 256, 64, 256
LANDMARKS, POINTS = 33, 39
"""Number of body landmarks, and of all points of the network. Points 33 and 34 give the region for the next frame."""
LEAST_DETECTION, LEAST_PRESENCE = 0.5, 0.5
"""Smallest scores of the detector and of the landmark network for which a person counts as found."""
SAME_PERSON = 0.3
"""Intersection over union above which the boxes of two detections are one person."""
_REGION_SCALE = 1.25
_COARSE = 3.0
"""Image pixels per crop pixel above which a larger crop is taken and averaged, to avoid aliasing."""
Run = Callable[[np.ndarray], dict[tuple[int, ...], np.ndarray]]


@dataclass(frozen=True)
class Region:
    """A square around a person, rotated so that the person stands upright in it. Centre and size are in pixels."""

    x: float
    y: float
    size: float
    angle: float  # rad

    @staticmethod
    def around(centre: np.ndarray, top: np.ndarray) -> Region:
        """Region of a person from the two points (2,) that the networks give.

        Args:
            centre: Middle of the hips [px].
            top: Point on the circle around the person, above the head or at the opposite end [px].
        """
        dx, dy = float(top[0] - centre[0]), float(top[1] - centre[1])
        angle = math.pi / 2 - math.atan2(-dy, dx)
        angle -= 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))
        return Region(float(centre[0]), float(centre[1]), 2 * _REGION_SCALE * math.hypot(dx, dy), angle)

    def to_image(self, side: int) -> np.ndarray:
        """Affine matrix (2, 3) from the pixels of a crop of ``side`` × ``side`` to the pixels of the image."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        scale, half = self.size / side, self.size / 2
        return np.array(
            [[c * scale, -s * scale, self.x - (c - s) * half], [s * scale, c * scale, self.y - (s + c) * half]]
        )


@dataclass(frozen=True)
class Pose:
    """One person in one image."""

    pixels: np.ndarray  # (33, 2) x, y [px]
    visibility: np.ndarray  # (33,) probability that the landmark is in the image and not hidden
    presence: np.ndarray  # (33,) probability that the landmark is in the image
    in_mask: np.ndarray  # (33,) probability, by the network's mask, that the person is seen at the landmark
    score: float
    next_region: Region


def crop(image: np.ndarray, region: Region, side: int, *, border: int) -> np.ndarray:
    """The region of an image (H, W, 3) as (side, side, 3). OpenCV's ``border`` rule fills what lies outside it."""
    finer = max(1, min(4, math.ceil(region.size / side / _COARSE)))
    large = cv2.warpAffine(
        image,
        region.to_image(side * finer),
        (side * finer, side * finer),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=border,
    )
    return large if finer == 1 else cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)


def detect(run: Run, image: np.ndarray) -> list[Region]:
    """Regions of the persons in an RGB image (H, W, 3) uint8, in the order of falling scores."""
    height, width = image.shape[:2]
    whole = Region(width / 2, height / 2, float(max(height, width)), 0.0)
    seen = crop(image, whole, DETECTOR_SIZE, border=cv2.BORDER_CONSTANT)
    found = run(seen.astype(np.float32) / 127.5 - 1)
    anchors = _anchors()
    raw = next(value for shape, value in found.items() if shape[-1] == 12).reshape(-1, 6, 2) / DETECTOR_SIZE
    scores = _sigmoid(next(value for shape, value in found.items() if shape[-1] == 1).reshape(-1))
    likely = np.flatnonzero(scores >= LEAST_DETECTION)
    points = raw[likely] + anchors[likely][:, None]
    boxes = np.concatenate((points[:, 0], raw[likely, 1]), axis=1)  # centre, width and height
    keypoints = _merged(boxes, scores[likely], points[:, 2:])
    matrix = whole.to_image(DETECTOR_SIZE)
    return [Region.around(*(k[:2] * DETECTOR_SIZE @ matrix[:, :2].T + matrix[:, 2])) for k in keypoints]


def find_landmarks(run: Run, image: np.ndarray, region: Region) -> Pose | None:
    """Landmarks of the person in a region of an RGB image (H, W, 3) uint8. None if no person is there."""
    seen = crop(image, region, LANDMARK_SIZE, border=cv2.BORDER_REPLICATE)
    found = run(seen.astype(np.float32) / 255)
    by_size = {value.size: value for value in found.values()}
    score = float(by_size[1].reshape(-1)[0])
    if score < LEAST_PRESENCE:
        return None
    raw = by_size[5 * POINTS].reshape(POINTS, 5)
    heat = _sigmoid(by_size[HEATMAP_SIZE**2 * POINTS].reshape(HEATMAP_SIZE, HEATMAP_SIZE, POINTS))
    points = _refined(raw[:, :2] / LANDMARK_SIZE, heat)
    mask = by_size[MASK_SIZE**2].reshape(MASK_SIZE, MASK_SIZE)
    matrix = region.to_image(LANDMARK_SIZE)
    pixels = points * LANDMARK_SIZE @ matrix[:, :2].T + matrix[:, 2]
    return Pose(
        pixels[:LANDMARKS],
        _sigmoid(raw[:LANDMARKS, 3]),
        _sigmoid(raw[:LANDMARKS, 4]),
        _near(_sigmoid(mask), points[:LANDMARKS]),
        score,
        Region.around(pixels[33], pixels[34]),
    )


def _anchors() -> np.ndarray:
    """Centres (2254, 2) of the detector's cells, as fractions of the image's side."""
    rows = []
    for cells, each in ((28, 2), (14, 2), (7, 6)):
        centres = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        rows.append(np.repeat(grid, each, axis=0))
    return np.concatenate(rows)


def _merged(boxes: np.ndarray, scores: np.ndarray, keypoints: np.ndarray) -> list[np.ndarray]:
    """Keypoints of each person, in the order of falling scores.

    They are means over overlapping detections, weighted by the scores.
    """
    merged, left = [], np.argsort(-scores)
    while len(left):
        same = _overlap(boxes[left[0]], boxes[left]) > SAME_PERSON
        same[0] = True
        together = left[same]
        merged.append(np.average(keypoints[together], axis=0, weights=scores[together]))
        left = left[~same]
    return merged


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (x, y, width, height), (4,) and (N, 4)."""
    low = np.maximum(box[:2] - box[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(box[:2] + box[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / (box[2:].prod() + others[:, 2:].prod(axis=1) - shared + 1e-9)


def _refined(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Points (39, 2) moved to the centre of mass of their heat map (64, 64, 39) within three cells.

    Points are fractions of the crop's side.
    """
    refined = points.copy()
    for index, (x, y) in enumerate((points * HEATMAP_SIZE).astype(int)):
        if not (0 <= x < HEATMAP_SIZE and 0 <= y < HEATMAP_SIZE):
            continue
        top, left = max(0, y - 3), max(0, x - 3)
        patch = heat[top : y + 4, left : x + 4, index]
        if patch.max() >= 0.5:
            rows, columns = np.indices(patch.shape)
            middle = np.array([(patch * (columns + left)).sum(), (patch * (rows + top)).sum()])
            refined[index] = middle / patch.sum() / HEATMAP_SIZE
    return refined


def _near(mask: np.ndarray, points: np.ndarray, *, reach: int = 4) -> np.ndarray:
    """Largest value of a mask within ``reach`` pixels of each point. It is 0 outside the mask.

    Points (N, 2) are fractions of the mask's side.
    """
    values = np.zeros(len(points))
    for index, (x, y) in enumerate((points * len(mask)).astype(int)):
        patch = mask[max(0, y - reach) : max(0, y + reach + 1), max(0, x - reach) : max(0, x + reach + 1)]
        values[index] = patch.max() if patch.size else 0.0
    return values


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(values, -60, 60)))
