"""Held against the truth of made-up cameras: the floor guessed from the feet, and a focal length from people.

Each guess is a row with its error and with the standard deviation that it states. The statement is right if the error
is within one deviation in 68 % of the rows and within two in 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from optim.body.body_model import BodyModel
from optim.body.joints import FOOT_JOINTS
from optim.evaluation.images import IMAGE_SIZE, Picture, Views, others_seen, picture
from optim.evaluation.protocols import PICTURED, Extract, Models, Row, pictured, seed_of
from optim.initialise.floor_from_feet import angles_deg, feet_evidence, guess_floor
from optim.keypoints.focal_length import FOCAL_ERROR, FOCAL_SHARE, SHARES, estimate_focal
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from optim.reading.arrays import read_arrays
from optim.schedule.stages import schedule
from optim.session.session import Session

KEPT = ("trans", "root_orient", "pose_body", "betas", "joints")


def floor_rows(
    extracts: Sequence[Extract],
    models: Models,
    *,
    protocol: str,
    seed: int,
    num_iters: Sequence[int],
    keep: Path | None = None,
) -> list[Row]:
    """Guess the floor of some clips from their free motions, which are fitted as one batch.

    Args:
        protocol: Name in ``PICTURED``.
        num_iters: Outer steps of stages 1 and 2.
        keep: Folder for the free motions; those that are in it are not fitted again.
    """
    views, seeds = PICTURED[protocol], [seed_of(extract, seed) for extract in extracts]
    seen = [pictured([extract], models, views, [one]) for extract, one in zip(extracts, seeds, strict=True)]
    files = [None if keep is None else keep / f"{protocol}-{seed}-{problem.name}.npz" for problem, _ in seen]
    motions = [None if file is None or not file.is_file() else _read(file) for file in files]
    if left := [index for index, motion in enumerate(motions) if motion is None]:
        problem, _ = pictured([extracts[index] for index in left], models, views, [seeds[index] for index in left])
        for index, motion in zip(left, _free_motions(problem, num_iters), strict=True):
            motions[index] = motion
            if (file := files[index]) is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                np.savez(file, **{name: getattr(motion, name).numpy() for name in KEPT})
    return [
        {"clip": extract.name, "protocol": protocol, **_floor(motion, problem, taken)}
        for extract, (problem, taken), motion in zip(extracts, seen, motions, strict=True)
        if motion is not None
    ]


def _read(file: Path) -> Trajectory:
    arrays = read_arrays(file, KEPT, what="a free motion")
    return Trajectory(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def _free_motions(problem: Problem, num_iters: Sequence[int]) -> list[Trajectory]:
    """The end of stage 2 of each clip of a problem."""
    phases = schedule(data_type="rgb", preset="humorscope", num_iters=(*num_iters, 1))
    session = Session(problem, schedule=phases, keep_iterations=False)
    for _ in (1, 2):
        session.finish_stage()
    whole = session.fit.trajectory()
    return [Trajectory(**{name: getattr(whole, name)[b : b + 1] for name in KEPT}) for b in range(problem.batch)]


def _floor(motion: Trajectory, problem: Problem, taken: Picture) -> Row:
    """Errors of the best guess and the standard deviations that it states.

    The height is that under the fitted feet, and the true floor is scaled to their distance: one camera does not tell
    the scale, and ``floor_from_feet.SCALE_ERROR`` counts it apart.
    """
    guess = guess_floor(motion, problem.body, **feet_evidence(problem.observations))[0]
    true = taken.floor[0].double().numpy()
    assert problem.ground_truth is not None
    feet, true_feet = (one.joints[0][:, list(FOOT_JOINTS)].double().numpy() for one in (motion, problem.ground_truth))
    scale = feet[..., 2].mean() / true_feet[..., 2].mean()
    under = feet.mean((0, 1))
    height = (under @ true[:3] - scale * true[3]) - (under @ guess.plane[:3] - guess.plane[3])
    (pitch, roll), (true_pitch, true_roll) = angles_deg(guess.plane), angles_deg(true)
    stated = np.sqrt(np.diag(guess.spread))
    return {
        "true_pitch": true_pitch,
        "true_roll": true_roll,
        "pitch_error": pitch - true_pitch,
        "pitch_stated": float(stated[0]),
        "roll_error": roll - true_roll,
        "roll_stated": float(stated[1]),
        "height_error": 100.0 * float(height),
        "height_stated": 100.0 * float(stated[2]),
        "tilt_error": math.degrees(math.acos(min(1.0, float(guess.plane[:3] @ true[:3])))),
        "tilt_stated": guess.tilt_error_deg,
    }


def focal_row(extract: Extract, others: Sequence[Extract], body: BodyModel, views: Views, *, seed: int) -> Row:
    """Estimate the focal length of one made-up camera, drawn from what ``focal_length`` takes as usual.

    Args:
        others: Clips of people on the same floor.
    """
    generator = torch.Generator().manual_seed(seed_of(extract, seed))
    drawn = FOCAL_SHARE * math.exp(FOCAL_ERROR * float(torch.randn(1, generator=generator)))
    focal = min(max(drawn, SHARES[0]), SHARES[-1]) * max(IMAGE_SIZE)
    taken = picture(extract.truth, body, views, generator=generator, focal=focal)
    seen = others_seen(taken, extract.truth, [one.truth for one in others], body, generator=generator)
    found = estimate_focal([points[0].numpy() for points in (taken.keypoints, *seen)], IMAGE_SIZE)
    error = math.nan if found is None else math.log(found.focal / focal)
    return {
        "clip": extract.name,
        "true_focal": focal,
        "focal_error": error,
        "focal_stated": math.nan if found is None else found.error,
        "guess_error": math.log(FOCAL_SHARE * max(IMAGE_SIZE) / focal),
    }
