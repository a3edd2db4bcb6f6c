"""Checks of keypoints against their image and detector, and of a camera's matrix against the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.checks.check import Check, Seen, certain, fine, likely, note
from optim.keypoints.names import BODY_25
from optim.keypoints.sets import LARGEST_HEAD, LONGEST, SetFound

INSIDE = 0.1
"""Share of the image's width and height by which a keypoint may lie outside of it."""
MOST_OUTSIDE = 0.3
"""Largest share of seen keypoints outside the image. Like the other limits here it is a choice and not measured."""
SMALL = 0.52
"""Keypoints of a whole clip within this share of the width and of the height may be of a smaller image."""
SURE, MOST_SURELY_OUTSIDE = 0.6, 0.03
"""Share of the largest confidence that counts as high, and largest share of such keypoints outside the image."""
LEAST_CONFIDENT = 0.2
"""Least value of the largest confidence. Every detector is surer of some point than that."""
CONFIDENT = 1.05
"""Largest confidence on the scale from 0 to 1; SimCC's go a little beyond 1."""
SWAPPED = 0.5
"""Left and right are swapped between two frames if the swapped pairs move less than this share of the way."""
FAR = 0.25
"""Least distance between left and right, as a share of the torso, at which a swap can be told."""
MOST_SWAPS = 0.05
"""Share of swapped frames above which the finding is more than a note."""
OFF_CENTRE = 0.15
"""Largest distance of the principal point from the middle, as a share of width or height."""
FOCALS = (0.35, 12.0)
"""Least and largest focal length as a share of the longer side: 110° to 5° of view."""
IMPOSSIBLE = (0.1, 40.0)
"""The same for what no camera of people has: 157° to 1.4° of view. Millimetres or radians in place of pixels or degrees
give such numbers."""
SQUARE = 0.02
"""Largest difference between fx and fy, as a share, of square pixels."""
PAIRS = ((2, 5), (9, 12), (3, 6), (10, 13))
"""Right and left shoulder, hip, elbow and knee in BODY_25."""
MID_SHOULDERS, MID_HIP = 1, 8
SHOULDERS = tuple(BODY_25.index(name) for name in ("neck", "left_shoulder", "right_shoulder"))
LEGS = tuple(BODY_25.index(name) for name in ("left_ankle", "right_ankle", "left_knee", "right_knee"))
MOST_UPRIGHT = 0.2
"""Largest share of frames with an upright person in images that count as turned."""


@dataclass(frozen=True)
class Keypoints:
    """BODY_25 keypoints of one person and the image that they should lie in."""

    points: np.ndarray  # (T, 25, 3) x, y [px] and confidence, 0 where not seen
    image_size: tuple[int, int]
    """Width and height [px]."""
    turned: int | None = None
    """Turn [degrees] that was applied to the images by ``--rotate``. None if this data does not take the flag."""


@dataclass(frozen=True)
class Intrinsics:
    """A camera matrix as it was given, and the image that it is used for."""

    matrix: np.ndarray  # (3, 3) [px]
    image_size: tuple[int, int]
    """Width and height [px]."""
    pixel_aspect: float = 1.0
    """Width of a pixel of the image relative to its height, as the video states it."""


def _seen(data: Keypoints) -> np.ndarray:
    """Positions (N, 2) [px] of all keypoints that were seen."""
    return data.points[data.points[..., 2] > 0][:, :2]


def keypoint_set(data: SetFound) -> Seen:
    """Points without names are a body in the order of a known set."""
    seen = f"{len(data.names)} keypoints without names; by their places they are {data.name}"
    advice = "--keypoints-set says which set they are"
    if not data.plausible:
        return likely(
            f"{len(data.names)} keypoints without names, of which neighbours lie {data.length:.0%} of the person's size"
            f" apart as {data.name}",
            "they are hardly a body in the order of any known set",
            f"give names, one for each point; or {advice}",
            asks=True,
        )
    return fine(seen) if data.usual else note(seen, "another set is usual with so many points", advice)


def inside_the_image(data: Keypoints) -> Seen | None:
    """Keypoints lie in the image, or near it."""
    where = _seen(data)
    if not len(where):
        return None
    share, confidence = where / np.array(data.image_size), data.points[..., 2][data.points[..., 2] > 0]
    away = ((share < -INSIDE) | (share > 1 + INSIDE)).any(1)
    sure = confidence >= SURE * confidence.max()
    outside, surely = float(away.mean()), float(away[sure].mean())
    width, height = data.image_size
    size = f"{width} × {height} px"
    told = f"{100 * outside:.0f} % of the keypoints lie outside the image of {size}"
    advice = (
        f"--keypoints-size WIDTH HEIGHT gives the size of their images, and {width} {height} says that they are right"
    )
    if outside > MOST_OUTSIDE:
        reach = float(np.quantile(share, 0.98, axis=0).max())
        negative = float((share < -INSIDE).any(1).mean()) > MOST_OUTSIDE / 2
        return certain(
            told,
            "their origin is not the upper left corner of the image, or the image is turned"
            if negative
            else f"they are of images of another size (about {reach:.1f} times this one) or of a turned image",
            f"{advice}; --rotate is for a turned video" if data.turned is not None else advice,
        )
    if surely > MOST_SURELY_OUTSIDE:
        return likely(
            f"{100 * surely:.0f} % of the keypoints of high confidence lie outside the image of {size}",
            "they are of images of another size, which detectors do not leave",
            advice,
        )
    low, high = share.min(0), share.max(0)
    if (high < SMALL).all() and (low >= 0).all() and len(where) > 20:
        return note(
            f"all keypoints lie in the upper left {high[0]:.0%} of the width and {high[1]:.0%} of the height",
            "they may be of smaller images",
            advice,
        )
    return fine(told)


def confidence_scale(data: Keypoints) -> Seen | None:
    """Confidences are between 0 and 1, since the weights of the terms are tuned for that."""
    confidence = data.points[..., 2]
    most = float(confidence.max(initial=0.0))
    if most <= 0:
        return None
    if most < LEAST_CONFIDENT:
        return likely(
            f"confidences up to {most:.2g}",
            "they are on another scale than 0 to 1, and the keypoints hardly count",
            "divide them by their largest value",
        )
    if most <= CONFIDENT:
        return fine(f"confidences up to {most:.2g}")
    if 10 < most <= 100.5:
        return certain(f"confidences up to {most:.3g}", "they are in percent", "divide them by 100")
    if most > 10:
        return certain(f"confidences up to {most:.3g}", "they are not between 0 and 1", f"divide them by {most:.3g}")
    return likely(
        f"confidences up to {most:.3g}",
        "they are scores without an upper limit (SimCC's heat maps, say), which weigh the keypoints too much",
        "divide them by their largest value",
    )


def sides_keep_their_names(data: Keypoints) -> Seen | None:
    """Left and right do not change places from one frame to the next."""
    swaps = swapped_frames(data.points)
    if not swaps:
        return fine("left and right keep their places")
    listed = ", ".join(map(str, swaps[:6])) + (", …" if len(swaps) > 6 else "")
    told = f"left and right change places at frame {listed}"
    meant, advice = "the detector has swapped them", "drop these frames in the Data tab, or correct the keypoints"
    if len(swaps) > MOST_SWAPS * len(data.points):
        return likely(told, meant, advice)
    return note(told, meant, advice)


def swapped_frames(points: np.ndarray) -> list[int]:
    """Frames at which at least two pairs of left and right keypoints (T, 25, 3) change places."""
    found = []
    torso = np.linalg.norm(points[:, MID_SHOULDERS, :2] - points[:, MID_HIP, :2], axis=-1)
    for frame in range(1, len(points)):
        votes = told = 0
        for right, left in PAIRS:
            before, now = points[frame - 1, [right, left]], points[frame, [right, left]]
            if min(before[:, 2].min(), now[:, 2].min()) <= 0:
                continue
            apart = min(np.linalg.norm(p[0, :2] - p[1, :2]) for p in (before, now))
            if apart < FAR * max(torso[frame - 1], torso[frame], 1.0):
                continue
            told += 1
            same = np.linalg.norm(now[:, :2] - before[:, :2], axis=-1).sum()
            swapped = np.linalg.norm(now[::-1, :2] - before[:, :2], axis=-1).sum()
            votes += bool(swapped < SWAPPED * same)
        if votes >= 2 and votes > told / 2:
            found.append(frame)
    return found


def upright_in_the_image(data: Keypoints) -> Seen | None:
    """People are upright in the images, unless these are turned."""
    turn = needed_turn(data.points)
    if turn is None:
        return None
    if not turn:
        return fine("the person is upright in the images, or not always on the same side")
    seen, meant = "the person lies on the same side in nearly every image", "the images are turned"
    if data.turned is None:
        return likely(seen, meant, f"turn images, keypoints and camera clockwise by {turn}° if they are")
    advice = f"give --rotate {(data.turned + turn) % 360}, or --rotate 0 if the person really lies"
    return likely(seen, meant, advice, asks=True)


def needed_turn(points: np.ndarray) -> int | None:
    """Clockwise turn [degrees] that makes a person upright who lies to one side in nearly every image, or 0.

    Args:
        points: (T, 25, 3) BODY_25 keypoints: x, y [px] and confidence.

    Returns:
        None if shoulders and legs are seen together in too few images.
    """
    seen = points[..., 2] > 0
    middles = []
    for rows in (SHOULDERS, LEGS):
        weight = seen[:, rows].astype(float)
        total = np.maximum(weight.sum(1), 1.0)[:, None]
        middles.append(((points[:, rows, :2] * weight[..., None]).sum(1) / total, weight.any(1)))
    (head, has_head), (feet, has_feet) = middles
    body = (feet - head)[has_head & has_feet]  # from the shoulders to the legs; (0, +) is upright
    if len(body) < max(len(points) / 2, 2):
        return None
    quarter = np.round(np.degrees(np.arctan2(body[:, 0], body[:, 1])) / 90).astype(int) % 4 * 90
    if (quarter == 0).mean() > MOST_UPRIGHT:
        return 0
    best = max((90, 180, 270), key=lambda turn: int((quarter == turn).sum()))
    return best if (quarter == best).mean() >= 1 - MOST_UPRIGHT else 0


def principal_point(data: Intrinsics) -> Seen | None:
    """The principal point is near the middle; otherwise the matrix is of another image."""
    share = data.matrix[:2, 2] / np.array(data.image_size)
    width, height = data.image_size
    told = f"the principal point lies at {share[0]:.2f} of the width and {share[1]:.2f} of the height"
    if (np.abs(share - 0.5) <= OFF_CENTRE).all():
        return fine(told)
    other = 2 * data.matrix[:2, 2]
    turned = np.abs(data.matrix[[1, 0], 2] / np.array(data.image_size) - 0.5).max() <= OFF_CENTRE
    if turned:
        meant = f"the matrix is of an image of {height} × {width} px, which is turned by 90°"
    else:
        meant = f"the matrix is of an image of {other[0]:.0f} × {other[1]:.0f} px, not of {width} × {height} px"
    return likely(
        told,
        meant,
        "give the size of the image that it was made for with --intrinsics-size WIDTH HEIGHT; if it is that of this"
        f" image, which is cropped, --intrinsics-size {width} {height} says so",
        asks=True,
    )


def focal_length(data: Intrinsics) -> Seen | None:
    """The angle of view is that of some lens, and pixels are square."""
    fx, fy = float(data.matrix[0, 0]), float(data.matrix[1, 1])
    share = fx / max(data.image_size)
    angle = np.degrees(2 * np.arctan(data.image_size[0] / (2 * fx)))
    told = f"a focal length of {fx:.0f} px, an angle of view of {angle:.0f}°"
    if not IMPOSSIBLE[0] <= share <= IMPOSSIBLE[1]:
        return certain(
            told,
            "no lens has that: the length is in millimetres, the angle in radians, or the matrix is of another image",
            "give --focal in pixels (millimetres · image width in pixels / sensor width), --fov in degrees, or another"
            " matrix",
        )
    if not FOCALS[0] <= share <= FOCALS[1]:
        return likely(told, "hardly any lens has that; the matrix may be of another image", "look at the camera file")
    stored = fx * data.pixel_aspect
    if abs(stored / fy - 1) > SQUARE:
        told = f"{told}; fy is {fy:.0f} px"
        if data.pixel_aspect != 1:
            told = f"{told}, and pixels are {data.pixel_aspect:.3g} times as wide as high"
            return likely(told, "the matrix is of images with square pixels", "divide its first row by that number")
        width, height = data.image_size
        return note(
            told,
            "pixels are not square, or the image was scaled unevenly after the camera was calibrated",
            f"it is used as it is; --intrinsics-size {width} {height} says that it is right; otherwise it gives"
            " the size of the images that the matrix was made for",
        )
    return fine(told)


CHECKS: tuple[Check, ...] = (
    Check(
        "keypoint set",
        SetFound,
        keypoint_set,
        f"without names: links between neighbours up to {LONGEST:g} and within the head up to {LARGEST_HEAD:g} of the"
        " person's size; otherwise asks for --keypoints-set",
    ),
    Check(
        "keypoints in the image",
        Keypoints,
        inside_the_image,
        f"at most {100 * MOST_OUTSIDE:.0f} % more than {100 * INSIDE:.0f} % outside, of those of high"
        f" confidence {100 * MOST_SURELY_OUTSIDE:.0f} %; not all in one quarter",
        answers=("keypoints_size",),
    ),
    Check(
        "confidence",
        Keypoints,
        confidence_scale,
        f"the largest at {LEAST_CONFIDENT:g} to {CONFIDENT:g}; above 10 they are percent: certain",
    ),
    Check(
        "left and right",
        Keypoints,
        sides_keep_their_names,
        f"pairs change places in at most {100 * MOST_SWAPS:.0f} % of the frames",
    ),
    Check(
        "upright in the image",
        Keypoints,
        upright_in_the_image,
        f"lies on the same side in at most {1 - MOST_UPRIGHT:.0%} of the images, or is upright in"
        f" {MOST_UPRIGHT:.0%}; otherwise asks for --rotate",
        answers=("rotate",),
    ),
    Check(
        "principal point",
        Intrinsics,
        principal_point,
        f"at most {OFF_CENTRE:g} of width and height from the middle",
        answers=("intrinsics_size",),
    ),
    Check(
        "focal length",
        Intrinsics,
        focal_length,
        f"{FOCALS[0]:g} to {FOCALS[1]:g} times the longer side, fx and fy within {100 * SQUARE:.0f} %; beyond"
        f" {IMPOSSIBLE[0]:g} to {IMPOSSIBLE[1]:g} times: certain",
    ),
)
