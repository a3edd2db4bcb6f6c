"""Made-up pictures of motion capture: a camera that stands somewhere, and the keypoints that a detector finds in it.

The motion is in a world with z up and the floor at z = 0. Camera frame: x right, y down, z forward. Every random number
comes from a given generator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BodyModel
from optim.problem.camera import Camera
from optim.problem.frames import PriorFrame
from optim.problem.variables import Trajectory

IMAGE_SIZE = (1280, 720)
FOCAL = 1060.0
"""Focal length [px] of a made-up camera, unless another one is asked for. The fit is given it."""
MARGIN = 15.0
"""Smallest distance [px] of the keypoints from the edge of the image."""
NEAREST, FARTHER = 2.5, 1.1
"""Distance [m] of the camera that is tried first, and the factor to the next one, until all keypoints are inside."""
BESIDE = 3.0
"""Largest distance [m], along either side of the floor, of other people from the first one."""
IN_FRONT = 0.5
"""Smallest distance [m] along the view at which other people are seen."""
LOWEST = 0.3
"""Smallest height [m] of the camera above the floor."""
PIXEL_NOISE = 3.0
"""Standard deviation [px] of a keypoint's coordinates."""
CONFIDENCE = (0.8, 0.08)
"""Mean and standard deviation of the confidence of a keypoint that was found."""
MISSED = 0.03
"""Share of the keypoints that the detector does not find."""


@dataclass(frozen=True)
class Views:
    """How the made-up cameras stand: ranges and standard deviations."""

    pitch: tuple[float, float]
    """Smallest and largest pitch [deg], evenly distributed; negative looks down."""
    roll: float
    """Standard deviation of the roll [deg], cut at twice that."""


LEVEL = Views(pitch=(-12.0, 7.0), roll=3.0)
"""Cameras as most people hold them."""
TILTED = Views(pitch=(-50.0, 7.0), roll=15.0)
"""Cameras that look steeply down, or are turned by up to 30°."""


@dataclass(frozen=True)
class Picture:
    """What a made-up camera saw of each of B motions."""

    keypoints: Tensor  # (B, T, 25, 3) BODY_25: x, y [px] and confidence, 0 where not found
    camera: Camera
    from_world: PriorFrame
    """Transform from the world of the motion to the camera frame."""

    @property
    def to_world(self) -> PriorFrame:
        """The inverse of ``from_world``."""
        return self.from_world.inverse

    @property
    def floor(self) -> Tensor:
        """The true floor (B, 4) in the camera frame: unit normal that points up, and offset [m]."""
        up = self.from_world.R_prior_input[:, :, 2]
        return torch.cat((up, (up * self.from_world.offset).sum(1, keepdim=True)), dim=1)


def picture(
    truth: Trajectory,
    body: BodyModel,
    views: Views,
    *,
    generator: torch.Generator,
    focal: float = FOCAL,
    pixel_noise: float = PIXEL_NOISE,
) -> Picture:
    """A camera for one motion, and what it sees.

    Args:
        truth: Batch of one.
        views: How the camera may stand.
        focal: Focal length [px].
        pixel_noise: Standard deviation [px] of a keypoint's coordinates.

    Returns:
        The picture; all keypoints of the whole motion lie in it.
    """
    points = _keypoints(truth, body)
    camera = Camera(torch.tensor([[focal, focal]]), torch.tensor([[IMAGE_SIZE[0] / 2, IMAGE_SIZE[1] / 2]]), IMAGE_SIZE)
    while True:
        angles, distance = _angles(views, generator), NEAREST
        while not _inside(seen := camera.project((frame := _standing(points, *angles, distance)).points(points))):
            distance *= FARTHER
        if float(frame.points_back(torch.zeros(1, 1, 3))[0, 0, 2]) >= LOWEST:
            return Picture(_detected(seen, generator, pixel_noise), camera, frame)


def beside(pictures: Sequence[Picture]) -> Picture:
    """Some pictures of equal length as one."""
    cameras, frames = [one.camera for one in pictures], [one.from_world for one in pictures]
    return Picture(
        torch.cat([one.keypoints for one in pictures]),
        Camera(torch.cat([one.focal for one in cameras]), torch.cat([one.centre for one in cameras]), IMAGE_SIZE),
        PriorFrame(torch.cat([one.R_prior_input for one in frames]), torch.cat([one.offset for one in frames])),
    )


def others_seen(
    taken: Picture, truth: Trajectory, others: Sequence[Trajectory], body: BodyModel, *, generator: torch.Generator
) -> list[Tensor]:
    """Keypoints (1, T, 25, 3) of other people on the same floor, up to ``BESIDE`` away; 0 where outside the image.

    Args:
        taken: The picture of the first person.
        truth: The motion of that person, in the world.
        others: The motions of the others, batches of one.
    """
    found = []
    limit = torch.tensor(IMAGE_SIZE)
    middle = truth.joints[0].mean((0, 1))
    for motion in others:
        points = _keypoints(motion, body)
        place = middle[:2] + BESIDE * (2.0 * torch.rand(2, generator=generator) - 1.0)
        points[..., :2] += place - points[0, ..., :2].mean((0, 1))
        in_camera = taken.from_world.points(points)
        pixels = _detected(taken.camera.project(in_camera), generator, PIXEL_NOISE)
        inside = ((pixels[..., :2] > 0) & (pixels[..., :2] < limit)).all(-1) & (in_camera[..., 2] > IN_FRONT)
        found.append(torch.where(inside[..., None], pixels, 0.0))
    return found


def _keypoints(truth: Trajectory, body: BodyModel) -> Tensor:
    """BODY_25 keypoints (1, T, 25, 3) [m] of a motion, in its own frame."""
    arguments = truth.trans, truth.root_orient, truth.pose_body, truth.betas
    return body.keypoints25(*body.joints_and_vertices(*arguments, torch.tensor(body.openpose_vertices)))


def _angles(views: Views, generator: torch.Generator) -> tuple[float, float, float]:
    """Pitch, roll and azimuth [rad] of a camera."""
    even, turn = torch.rand(2, generator=generator).tolist()
    roll = float(torch.randn(1, generator=generator).clamp(-2.0, 2.0)) * views.roll
    pitch = views.pitch[0] + even * (views.pitch[1] - views.pitch[0])
    return math.radians(pitch), math.radians(roll), math.tau * turn


def _standing(points: Tensor, pitch: float, roll: float, azimuth: float, distance: float) -> PriorFrame:
    """World to camera, for a camera at a distance [m] from the middle of the points that looks at it."""
    sideways, up = torch.tensor([azimuth, pitch]).cos(), torch.tensor([azimuth, pitch]).sin()
    forward = torch.stack((sideways[0] * sideways[1], up[0] * sideways[1], up[1]))
    right = functional.normalize(torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0])), dim=0)
    down = torch.linalg.cross(forward, right)
    cos, sin = torch.tensor(roll).cos(), torch.tensor(roll).sin()
    rotation = torch.stack((cos * right + sin * down, cos * down - sin * right, forward))
    lowest, highest = points[0].flatten(0, 1).amin(0), points[0].flatten(0, 1).amax(0)
    centre = (lowest + highest) / 2 - distance * forward
    return PriorFrame(rotation[None], -(rotation @ centre)[None])


def _inside(pixels: Tensor) -> bool:
    limit = torch.tensor(IMAGE_SIZE) - MARGIN
    return bool(((pixels > MARGIN) & (pixels < limit)).all())


def _detected(pixels: Tensor, generator: torch.Generator, pixel_noise: float) -> Tensor:
    """Keypoints (1, T, 25, 3) with the noise, the confidences and the gaps of a detector."""
    noisy = pixels + pixel_noise * torch.randn(pixels.shape, generator=generator)
    mean, spread = CONFIDENCE
    confidence = (mean + spread * torch.randn(pixels.shape[:-1], generator=generator)).clamp(0.3, 1.0)
    missed = torch.rand(pixels.shape[:-1], generator=generator) < MISSED
    return torch.where(missed[..., None], 0.0, torch.cat((noisy, confidence[..., None]), dim=-1))
