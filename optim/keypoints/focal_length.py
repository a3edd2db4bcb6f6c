"""Estimate an unknown focal length from people who stand upright on one floor, with its uncertainty.

The people are seen by one camera that does not move. Where they walk towards the camera or away from it, or where it
looks steeply down, their sizes, their places and the slant of their bodies in the image tell the focal length. An
upright person who stays in one place does not: then the estimate is hardly better than what is usual for cameras. What
is usual counts as evidence as well: focal lengths, tilts and heights of cameras, and the heights of people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ANKLES, KNEES, HIPS, SHOULDERS = (11, 14), (10, 13), (9, 12), (2, 5)
"""Right and left joints of BODY_25."""
ANKLE_HEIGHT, LENGTH = 0.09, 1.30
"""Height [m] of the ankles over the floor, and length [m] from between the ankles to between the shoulders, of an adult
of 1.70 m who walks or stands."""
STRAIGHT, IN_LINE = 0.93, 25.0
"""An upright body has legs that are at least this straight in the image (distance of hip and ankle by the length of the
bones), and less than this angle [deg] between legs and trunk."""
LENGTH_ERROR, LEAN_ERROR = 0.06, 5.0
"""Standard deviations, in one frame, of that length of an upright person (as a share) and of the lean [deg]."""
PERSON_ERROR = 0.06
"""Standard deviation of the height of people (as a share)."""
PITCH_ERROR, ROLL_ERROR = 10.0, 5.0
"""Typical tilt of a camera [deg]; larger ones are rare, but possible (``_robust``)."""
CAMERA_HEIGHT, CAMERA_HEIGHT_ERROR = 1.5, 0.35
"""Typical height [m] of a camera over the floor, and the deviation of its logarithm; see ``_robust`` too."""
FOCAL_SHARE, FOCAL_ERROR = 0.95, 0.45
"""Typical focal length as a share of the image's longer side, and the deviation of its logarithm. Telephones have 0.7
to 0.8; zoom lenses and cropped images have more."""
SHARES = np.geomspace(0.35, 6.0, 17)
"""Focal lengths that are compared, as shares of the image's longer side."""
RUN = 10.0
"""Number of successive frames whose errors are taken as one, because they are correlated."""
MOST_FRAMES = 30
"""Largest number of frames of one person that are used."""


@dataclass(frozen=True)
class View:
    """The most likely camera with one focal length."""

    focal: float  # px
    log_weight: float
    """Logarithm of its probability per unit of the focal length's logarithm, up to a constant."""
    pitch: float  # deg, negative looks down
    roll: float  # deg
    height: float  # [m] of the camera over the floor
    distance: float  # [m] mean distance of the first person


@dataclass(frozen=True)
class FocalEstimate:
    """Probability of focal lengths, and the most likely camera for each of them."""

    views: tuple[View, ...]  # evenly spaced in the logarithm of the focal length

    @property
    def probability(self) -> np.ndarray:
        """Probability (N,) of each view."""
        weights = np.array([view.log_weight for view in self.views])
        weights = np.exp(weights - weights.max())
        return np.asarray(weights / weights.sum())

    def quantile(self, share: float) -> float:
        """Focal length [px] below which this share of the probability lies."""
        logs = np.log([view.focal for view in self.views])
        step = logs[1] - logs[0]
        ends = np.concatenate(([0.0], np.cumsum(self.probability)))
        return float(np.exp(np.interp(share, ends, np.concatenate(([logs[0] - step / 2], logs + step / 2)))))

    @property
    def focal(self) -> float:
        """Median [px]."""
        return self.quantile(0.5)

    @property
    def error(self) -> float:
        """Standard deviation of the logarithm of the focal length, from the middle 68 % of the probability."""
        return 0.5 * math.log(self.quantile(0.84) / self.quantile(0.16))

    def view(self, focal: float) -> View:
        """The most likely camera with the nearest focal length that was compared."""
        return min(self.views, key=lambda one: abs(math.log(one.focal / focal)))


@dataclass(frozen=True)
class Upright:
    """Upright people in the image, relative to its middle. N counts frames of all people."""

    feet: np.ndarray  # (N, 2) [px] between the ankles
    neck: np.ndarray  # (N, 2) [px] between the shoulders
    person: np.ndarray  # (N,) number of the person
    weight: np.ndarray  # (N,) weight of the frame's squared residuals


def estimate_focal(people: Sequence[np.ndarray], size: tuple[int, int]) -> FocalEstimate | None:
    """Focal lengths that a camera may have that sees these people.

    Args:
        people: Keypoints (T, 25, 3) of each person: BODY_25, x, y [px], confidence; 0 where not seen.
        size: Width and height [px] of the image; the principal point is taken as its middle, pixels as square.

    Returns:
        None if nobody is ever seen upright from ankles to shoulders.
    """
    seen = upright_people(people, size)
    if seen is None:
        return None
    views: list[View] = []
    for share in SHARES:
        views.append(_view(seen, share * max(size), share, views[-1:]))
    return FocalEstimate(tuple(views))


def upright_people(people: Sequence[np.ndarray], size: tuple[int, int]) -> Upright | None:
    """Feet and necks of people in the frames in which they are upright. None if there are none."""
    feet: list[np.ndarray] = []
    necks: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for points in people:
        frames = np.flatnonzero(_is_upright(np.asarray(points, float)))
        if not len(frames):
            continue
        chosen = frames[np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int)]
        xy = np.asarray(points, float)[chosen, :, :2] - np.array(size) / 2
        feet.append(xy[:, list(ANKLES)].mean(1))
        necks.append(xy[:, list(SHOULDERS)].mean(1))
        numbers.append(np.full(len(chosen), len(numbers)))
        weights.append(np.full(len(chosen), min(1.0, len(frames) / RUN / len(chosen))))
    if not feet:
        return None
    return Upright(*(np.concatenate(parts) for parts in (feet, necks, numbers, weights)))


def _is_upright(points: np.ndarray) -> np.ndarray:
    """Frames (T,) in which the legs and the trunk of one person (T, 25, 3) are straight and in line."""
    needed = [*ANKLES, *KNEES, *HIPS, *SHOULDERS]
    seen = (points[:, needed, 2] > 0).all(1)
    xy = points[..., :2]
    ankles, knees, hips, shoulders = (xy[:, list(pair)] for pair in (ANKLES, KNEES, HIPS, SHOULDERS))
    bones = np.linalg.norm(hips - knees, axis=-1) + np.linalg.norm(knees - ankles, axis=-1)
    straight = np.linalg.norm(hips - ankles, axis=-1) > STRAIGHT * np.maximum(bones, 1e-9)
    legs, trunk = hips.mean(1) - ankles.mean(1), shoulders.mean(1) - hips.mean(1)
    cosine = (legs * trunk).sum(1) / np.maximum(np.linalg.norm(legs, axis=1) * np.linalg.norm(trunk, axis=1), 1e-9)
    return np.asarray(seen & straight.any(1) & (cosine > math.cos(math.radians(IN_LINE))))


def _view(seen: Upright, focal: float, share: float, before: Sequence[View]) -> View:
    """The most likely camera with this focal length, and the probability of the focal length (Laplace's method).

    Args:
        before: The camera with the next shorter focal length, if there is one: a good start.
    """
    from scipy.optimize import least_squares  # takes a fifth of a second to load, and only videos need it

    count = int(seen.person.max()) + 1

    def residuals(unknowns: np.ndarray) -> np.ndarray:
        pitch, roll, height, *lengths = unknowns
        usual = np.array([pitch / PITCH_ERROR, roll / ROLL_ERROR, height / CAMERA_HEIGHT_ERROR])
        sizes = np.array(lengths) / PERSON_ERROR
        return np.concatenate((_robust(usual), sizes, _misfit(seen, focal, unknowns).ravel()))

    starts = [(pitch, 0.0, 0.0, *np.zeros(count)) for pitch in ((-3.0, -30.0) if not before else ())]
    starts += [(one.pitch, one.roll, math.log(one.height / CAMERA_HEIGHT), *np.zeros(count)) for one in before]
    scale = (5.0, 5.0, 0.3, *np.full(count, 0.06))
    found = min((least_squares(residuals, start, x_scale=scale) for start in starts), key=lambda one: one.cost)
    usual = -0.5 * (math.log(share / FOCAL_SHARE) / FOCAL_ERROR) ** 2
    spread = np.linalg.slogdet(found.jac.T @ found.jac)[1]
    first = seen.person == 0
    away = np.linalg.norm(_standing(seen, focal, found.x)[0][first], axis=1).mean()
    pitch, roll, height = found.x[:3]
    weight = float(usual - found.cost - 0.5 * spread)
    return View(focal, weight, float(pitch), float(roll), CAMERA_HEIGHT * math.exp(height), float(away))


def _standing(seen: Upright, focal: float, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) [m] between the ankles, and the upward direction (3,), in the camera frame."""
    pitch, roll = np.radians(unknowns[:2])
    up = np.array([math.sin(roll) * math.cos(pitch), -math.cos(roll) * math.cos(pitch), math.sin(pitch)])
    rays = np.concatenate((seen.feet / focal, np.ones((len(seen.feet), 1))), axis=1)
    drop = np.maximum(-rays @ up, 1e-3)  # a foot above the horizon is taken as one far away
    above = CAMERA_HEIGHT * math.exp(unknowns[2]) - ANKLE_HEIGHT
    return rays * (above / drop)[:, None], up


def _misfit(seen: Upright, focal: float, unknowns: np.ndarray) -> np.ndarray:
    """Residuals (2, N): of the length and of the lean in the image, in standard deviations, robust and weighted."""
    feet, up = _standing(seen, focal, unknowns)
    length = LENGTH * np.exp(unknowns[3:])[seen.person]
    top = feet + length[:, None] * up
    expected = top[:, :2] / np.maximum(top[:, 2:], 1e-3) * focal
    axis = expected - seen.feet
    tall = np.maximum(np.linalg.norm(axis, axis=1), 1e-6)
    axis = axis / tall[:, None]
    away = seen.neck - expected
    along, across = (away * axis).sum(1), axis[:, 0] * away[:, 1] - axis[:, 1] * away[:, 0]
    lean = math.radians(LEAN_ERROR)
    steep = math.tan(math.radians(min(abs(float(unknowns[0])), 60.0)))  # a lean along the axis changes the length
    spread = math.hypot(LENGTH_ERROR, lean * steep)
    return np.sqrt(seen.weight) * _robust(np.stack((along / tall / spread, across / tall / lean)))


def _robust(values: np.ndarray) -> np.ndarray:
    """Residuals whose squares are a Cauchy loss of the values."""
    return np.sign(values) * np.sqrt(2.0 * np.log1p(values**2 / 2.0))
