"""Measure what planting the feet of motion capture changes in it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.body.joints import NUM_JOINTS
from optim.loading.models import load_body
from optim.priors.rollout import JOINTS
from optim.train.data import FPS, Augmenter, Clips, load_clips
from optim.train.planting import (
    CONTACT_COLUMNS,
    FEET,
    clip_of_frame,
    labelled_feet,
    mean_body_joints,
    places_of_contacts,
    plant_feet,
    resting_heights,
)

MESHES = 1000
"""Frames whose mesh is computed at most."""
WINDOWS = (2000, 12)
"""Most windows with augmentation that are measured, and their frames."""


@dataclass(frozen=True)
class PlantingReport:
    """What planting changes in some clips, on the mean body. Feet are ankles and toe joints."""

    frames: int
    planted_share: float  # of the frames, those in which a foot was given a place
    left_share: float  # of the labelled feet, those that were left as they are
    planted_speed_before: float  # mean speed of labelled feet [mm/frame]
    planted_speed_after: float
    window_speed_before: float  # the same in windows with random bodies that are played faster or slower
    window_speed_after: float
    planted_height_before: float  # their mean distance from the height at which the sole rests [cm]
    planted_height_after: float
    lowest_vertex_before: float  # mean distance of the mesh's lowest vertex from the floor where a foot stands [cm]
    lowest_vertex_after: float
    moved_mean: float  # mean distance that feet are moved [cm]
    moved_99: float  # largest move of a joint in a frame, 99th percentile over frames [cm]
    moved_most: float  # over all frames [cm]
    acceleration_before: float  # mean over all joints [m/s²]
    acceleration_after: float
    feet_acceleration_before: float
    feet_acceleration_after: float

    def lines(self) -> list[str]:
        """One line ``name  value`` for each figure."""
        return [f"{f.name:26s} {getattr(self, f.name):.3f}" for f in fields(self)]


@torch.no_grad()
def evaluate(clips: Clips, planted: Clips, body: BodyModel) -> PlantingReport:
    """All figures of clips before and after ``plant_feet``."""
    before, after = mean_body_joints(clips, body), mean_body_joints(planted, body)
    clip, labelled = clip_of_frame(clips), labelled_feet(clips)
    placed, _ = places_of_contacts(clips, before[:, FEET])
    moves = labelled[1:] & labelled[:-1] & (clip[1:] == clip[:-1])[:, None]
    inner = clip[2:] == clip[:-2]
    standing = torch.nonzero(placed.any(1))[:, 0]
    standing = standing[:: max(1, len(standing) // MESHES)]
    moved = (after - before).norm(dim=-1)

    windows = _speeds_in_windows(clips, planted, body)

    def speed(joints: Tensor) -> float:
        return 1000 * float((joints[1:, FEET] - joints[:-1, FEET]).norm(dim=-1)[moves].mean())

    def height(joints: Tensor) -> float:
        return 100 * float((joints[:, FEET, 2] - resting_heights(joints.device))[labelled].abs().mean())

    def acceleration(joints: Tensor) -> float:
        return FPS**2 * float((joints[2:] - 2 * joints[1:-1] + joints[:-2])[inner].norm(dim=-1).mean())

    return PlantingReport(
        frames=len(clip),
        planted_share=float(placed.any(1).float().mean()),
        left_share=float((labelled & ~placed).sum() / labelled.sum().clamp_min(1)),
        planted_speed_before=speed(before),
        planted_speed_after=speed(after),
        window_speed_before=windows[0],
        window_speed_after=windows[1],
        planted_height_before=height(before),
        planted_height_after=height(after),
        lowest_vertex_before=100 * float(_lowest_vertex(clips, standing, body).abs().mean()),
        lowest_vertex_after=100 * float(_lowest_vertex(planted, standing, body).abs().mean()),
        moved_mean=100 * float(moved[:, FEET].mean()),
        moved_99=100 * float(moved.amax(1).quantile(0.99)),
        moved_most=100 * float(moved.max()),
        acceleration_before=acceleration(before),
        acceleration_after=acceleration(after),
        feet_acceleration_before=acceleration(before[:, FEET]),
        feet_acceleration_after=acceleration(after[:, FEET]),
    )


def _speeds_in_windows(clips: Clips, planted: Clips, body: BodyModel) -> list[float]:
    """Mean speed [mm/frame] of labelled feet in the same augmented windows, cut from the clips and the planted ones."""
    count, length = min(WINDOWS[0], len(clips.trans)), WINDOWS[1]
    augmenter = Augmenter(clips, body, torch.Generator(clips.trans.device).manual_seed(0), planted=planted)
    choice = augmenter.choose(count, length, warp=True)
    speeds = []
    for shift in (0, len(clips.trans)):
        windows = augmenter.cut_chosen(replace(choice, starts=choice.starts + shift), length, warp=True)
        feet = windows.flat[..., JOINTS].unflatten(-1, (NUM_JOINTS, 3))[:, :, FEET]
        labelled = windows.contacts[..., CONTACT_COLUMNS] > 0
        moves = (feet[:, 1:] - feet[:, :-1]).norm(dim=-1)
        speeds.append(1000 * float(moves[labelled[:, 1:] & labelled[:, :-1]].mean()))
    return speeds


def _lowest_vertex(clips: Clips, frames: Tensor, body: BodyModel) -> Tensor:
    """Height (n,) [m] of the lowest vertex of the mean body in some frames."""
    betas = clips.trans.new_zeros(1, 16)
    lowest = []
    for part in frames.split(100):
        turns = clips.rotations[part][None]
        lowest.append(body.mesh(clips.trans[part][None], turns[:, :, 0], turns[:, :, 1:], betas)[0, ..., 2].amin(-1))
    return torch.cat(lowest)


def run(options: argparse.Namespace) -> None:
    """Run the command ``evaluate-planting``: print the figures of the clips below ``--data``."""
    body = load_body(options.smpl)
    clips = load_clips(options.data, body, split=None if options.split == "all" else options.split)
    report = evaluate(clips, plant_feet(clips, body), body)
    print("\n".join(report.lines()))
