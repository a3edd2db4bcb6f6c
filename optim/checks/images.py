"""Checks of keypoints against their image and detector, and of a camera's matrix against the image."""

from __future__ import annotations

import warnings
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
LEAST_JUMPS = 500
"""Least number of keypoints seen in three frames on end whose jumps are held against their confidences."""
MOST_ALONG = 0.12
"""Largest rank correlation between jumps and confidences (measured: -0.22 of OpenPose's; 0.07 at most by chance)."""
STANDING, SIDEWAYS = 0.04, 0.15
"""Largest step of a foot that stands, and least distance between left and right, as shares of the trunk."""
LEAST_STANDING = 30
"""Least number of standing feet that tell the sides."""
OTHER_SIDES, MOST_OTHER = 0.9, 0.05
"""Sides are exchanged if they run against the feet with more than the first correlation, and agree in no more than the
second share (measured of made-up pictures of motion capture, 885 of them: 1 false alarm, and 28 % are found)."""
ADULT = (0.36, 0.20, 0.50)
"""Width of the shoulders, length from heel to toe, and length from neck to hips [m] of an adult."""
STRAIGHT, LEAST_FRAMES = 1.35, 20
"""Least length of a straight leg relative to the trunk, and least number of frames in which somebody stands."""
WIDTHS = (0.7, 1.75)
"""Least and largest width of a standing person, 1 for an adult (measured: 0.80 to 1.65 in 99 % of made-up pictures; of
those squeezed by 16 : 9 the half is at 0.61, of those stretched by it at 1.92)."""
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
    given: bool = False
    """Whether they were given with ``--op-keypts``, so that its flags apply."""


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
            f"{advice}; --rotate is for a turned video, --keypoints-axes for keypoints whose axes run otherwise"
            if data.turned is not None
            else advice,
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


def confidence_direction(data: Keypoints) -> Seen | None:
    """Sure keypoints jump less than unsure ones."""
    points = data.points
    seen = points[..., 2] > 0
    together = seen[1:-1] & seen[:-2] & seen[2:]
    if together.sum() < LEAST_JUMPS:
        return None
    jumps = np.linalg.norm(points[1:-1, :, :2] - (points[:-2, :, :2] + points[2:, :, :2]) / 2, axis=-1)[together]
    confidence = points[1:-1, :, 2][together]
    if np.ptp(confidence) == 0 or np.ptp(jumps) == 0:
        return None
    along = float(np.corrcoef(_ranks(jumps), _ranks(confidence))[0, 1])
    told = f"jumps and confidences of the keypoints go together with a rank correlation of {along:.2f}"
    if along <= MOST_ALONG:
        return fine(told)
    return likely(
        told,
        "surer points jump more: the numbers are errors, or 1 minus the confidence",
        "give the keypoints with 1 minus these numbers in their place",
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each of N values, from 1. Equal values have the average of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def sides_in_the_image(data: Keypoints) -> Seen | None:
    """Who faces the camera has left on the right, and their toes are lower in the image than their heels."""
    along, agree, count = facing(data.points)
    if count < LEAST_STANDING:
        return None
    told = f"toes and heels say that left and right are where they should be in {agree:.0%} of the frames"
    if along > -OTHER_SIDES or agree > MOST_OTHER:
        return fine(told)
    return likely(
        told,
        "left and right may be exchanged in all frames, or the keypoints are of mirrored images",
        "--sides swapped exchanges left and right, and --keypoints-axes x-left is for mirrored images"
        if data.given
        else "exchange left and right, or count x from the other edge",
    )


def proportions(data: Keypoints) -> Seen | None:
    """A person who stands is as wide as people are, whichever way they face."""
    wide = width_of_a_person(data.points)
    if wide is None:
        return None
    told = f"shoulders and feet are {wide:.2g} times as wide for the length of the trunk as those of an adult"
    if WIDTHS[0] <= wide <= WIDTHS[1]:
        return fine(told)
    width, height = data.image_size
    return likely(
        told,
        f"the keypoints are of images that were {'squeezed' if wide < 1 else 'stretched'} sideways, or to which bars"
        " were added, or a side of the person is wrong",
        f"--keypoints-size WIDTH HEIGHT gives the size of the squeezed images, and {width} {height} says that they are"
        " right; the width of bars has to be subtracted from the keypoints first",
    )


def width_of_a_person(points: np.ndarray) -> float | None:
    """Width of shoulders and feet together for the length of the trunk, 1 for an adult, of frames (T, 25, 3).

    Seen from any side, shares of the widths of the shoulders and of the length of a foot are the sine and the cosine of
    one angle. None if the person stands in too few frames.
    """
    where = np.where(points[..., 2:] > 0, points[..., :2], np.nan).astype(np.float64)
    row = {name: where[:, BODY_25.index(name)] for name in BODY_25}
    trunk = row["mid_hip"] - row["neck"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # points that are never seen
        legs = np.nanmax([(row[f"{side}_ankle"] - row[f"{side}_hip"])[:, 1] for side in ("left", "right")], axis=0)
        feet = [np.abs((row[f"{side}_big_toe"] - row[f"{side}_heel"])[:, 0]) for side in ("left", "right")]
        foot = np.nanmean(feet, axis=0)
    shoulders = np.abs((row["left_shoulder"] - row["right_shoulder"])[:, 0])
    stands = (trunk[:, 1] > 0.95 * np.linalg.norm(trunk, axis=1)) & (legs > STRAIGHT * trunk[:, 1])
    stands &= np.isfinite(shoulders + foot)
    if stands.sum() < LEAST_FRAMES:
        return None
    of_adult = (shoulders[stands] / ADULT[0]) ** 2 + (foot[stands] / ADULT[1]) ** 2
    return float(np.sqrt(np.median(of_adult)) / (np.median(trunk[stands, 1]) / ADULT[2]))


def facing(points: np.ndarray) -> tuple[float, float, int]:
    """How the sides of a person agree with their feet, which a camera sees from above.

    Used are feet that stand still, of people who are upright and do not stand sideways.

    Args:
        points: (T, 25, 3) BODY_25 keypoints: x, y [px] and confidence.

    Returns:
        Correlation, share of agreeing signs, and number of feet of how far left is right of right, and how much lower
        the toes are than the heel. The number is 0 if toes and heels are the same points.
    """
    where = np.where(points[..., 2:] > 0, points[..., :2], np.nan).astype(np.float64)
    row = {name: where[:, BODY_25.index(name)] for name in BODY_25}
    trunk = row["neck"] - row["mid_hip"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # points that are never seen
        size = np.nanmedian(np.linalg.norm(trunk, axis=1))
        across = [row[f"left_{part}"][:, 0] - row[f"right_{part}"][:, 0] for part in ("shoulder", "hip")]
        left = np.nanmean(across, axis=0)[:, None] / size
        heel, toe = (np.stack([row[f"{side}_{part}"] for side in ("left", "right")], 1) for part in ("heel", "big_toe"))
        moved = np.full(heel.shape[:2], np.nan)
        steps = [np.linalg.norm(one[2:] - one[:-2], axis=-1) / 2 for one in (heel, toe)]
        moved[1:-1] = np.maximum(*steps) / size
        low = np.fmax(heel[..., 1], toe[..., 1])
        lower = low >= np.nanmax(low, axis=1, keepdims=True) - 0.1 * size
    upright = -trunk[:, 1:] > 0.9 * np.linalg.norm(trunk, axis=1, keepdims=True)
    ahead = (toe - heel)[..., 1] / size
    used = (moved < STANDING) & lower & upright & (np.abs(left) > SIDEWAYS) & np.isfinite(ahead)
    a, b = np.broadcast_to(left, ahead.shape)[used], ahead[used]
    if not b.any():  # no foot stands, or toes and heels are the same points
        return 0.0, 0.0, 0
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())), float((a * b > 0).mean()), len(a)


def sides_keep_their_names(data: Keypoints) -> Seen | None:
    """Left and right do not change places from one frame to the next."""
    swaps = swapped_frames(data.points)
    if not swaps:
        return fine("left and right keep their places")
    listed = ", ".join(map(str, swaps[:6])) + (", …" if len(swaps) > 6 else "")
    told = f"left and right change places at frame {listed}"
    meant = "the detector has swapped them"
    advice = "look in the Data tab whether they are doubted, drop the frames there, or correct the keypoints"
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
    if data.given:
        axes, other = ("y-up", "y counts upwards") if turn == 180 else ("exchanged", "x and y are exchanged")
        meant = f"{meant}, or of the keypoints alone {other}"
        advice = f"if the pictures are turned too, {advice}; if the pictures are upright, give --keypoints-axes {axes}"
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
        "direction of confidence",
        Keypoints,
        confidence_direction,
        f"jumps and confidences with a rank correlation of at most {MOST_ALONG:g}",
    ),
    Check(
        "sides in the image",
        Keypoints,
        sides_in_the_image,
        f"where feet stand, left and right agree with toes and heels in more than {MOST_OTHER:.0%} of the frames",
        answers=("sides", "keypoints_axes"),
    ),
    Check(
        "proportions in the image",
        Keypoints,
        proportions,
        f"shoulders and feet of a person who stands {WIDTHS[0]:g} to {WIDTHS[1]:g} times as wide for the trunk as an"
        " adult's",
        answers=("keypoints_size",),
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
        answers=("rotate", "keypoints_axes"),
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
