"""The names that run files use for the classes and fields of views. They are in users' files and must never change.

After renaming a class or a field of ``view_model`` or ``findings``, adapt its row here and keep the stored names:
``form(vm.Renamed, "OldName", "old_field:new_field")``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optim.checks.check import Checked, Choice
from viewer.protocol import findings
from viewer.protocol import view_model as vm

if TYPE_CHECKING:
    from optim.recording.runfile import RunFile
    from optim.recording.values import Form, Values

DETAILS = {
    "floors": "floors",
    "drift": "drift",
    "movement": "movement",
    "prior_frames": "prior_frames",
    "nodes": "nodes",
}
"""Stored name → field of a view, for everything that is written of a view besides its motion."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The values that successive iterations share, written once for all of them."""

    scene: vm.Scene
    phases: tuple[vm.Phase, ...]
    weights: np.ndarray  # (P, K)
    held: frozenset[str]
    row_of: Mapping[str, int]  # loss term → row of the weights table


def view_values(file: RunFile) -> Values:
    """Reads and writes the values that views consist of."""
    from optim.recording.values import Values

    return Values(file, forms())


def forms() -> tuple[Form, ...]:
    """The forms of all classes that ``Recorder`` writes."""
    return (*_drawn(), *_found())


def _drawn() -> tuple[Form, ...]:
    from optim.recording.values import form

    return (
        form(Setup, "Setup", "scene phases weights frozen:held row_of", shared=True),
        form(
            vm.Scene,
            "Scene",
            "name fps starts num_frames body observed phases terms parts:variables default_weights presets camera"
            " footage ground_truth openpose_vertices key_vertices joint_names floors asked_overlap loss_terms"
            " checked batch batches first_frame earlier",
            shared=True,
        ),
        form(
            vm.BodyMesh,
            "BodyMesh",
            "template faces weights shape_directions pose_directions joint_template joint_shape_directions parents",
            shared=True,
        ),
        form(Checked, "Checked", "check severity seen meant advice stops choices"),
        form(Choice, "Choice", "label flags help"),
        form(vm.Motion, "Motion", "trans rotations betas joints contacts"),
        form(vm.Camera, "Camera", "matrix size R_display_camera t_display_camera"),
        form(vm.Footage, "Footage", "path frames"),
        form(vm.Observed, "Observed", "joints3d verts3d points3d joints2d doubts", shared=True),
        form(vm.Term, "Term", "name unit formula stage help"),
        form(
            vm.Phase,
            "Phase",
            "name stage steps iterations variables frames solver flat_gain flat_iterations",
            shared=True,
        ),
        form(vm.Preset, "Preset", "name fixed"),
        form(vm.Variable, "Part", "name label unit children entries"),
        form(vm.Drift, "Drift", "stage2 initial root_cm novelty", shared=True),
        form(vm.Nodes, "Nodes", "frames before after"),
        form(vm.Movement, "Movement", "largest rms held_by since moved_since"),
    )


def _found() -> tuple[Form, ...]:
    from optim.recording.values import form

    return (
        form(findings.FrameTerms, "FrameTerms", "weighted"),
        form(findings.DriftCurves, "DriftCurves", "total encoding accumulation"),
        form(
            findings.OverlapPair,
            "OverlapGap",
            "before frames position_cm velocity_cm betas floor_angle_deg floor_offset_cm curves joints",
        ),
        form(findings.Seam, "Seam", "frame shared apart cut stitched"),
        form(findings.Overlaps, "Overlaps", "gaps:pairs seams how"),
        form(
            findings.GroundCurves,
            "GroundCurves",
            "skate_mm depth_cm contacts contact_names tilt_deg estimated observed lowest_vertex_cm height_cm held"
            " joint_height_cm joint_value",
        ),
        form(findings.FloorGuess, "FloorGuess", "name text confidence plane"),
        form(findings.Verdict, "Verdict", "level text frame rule evidence advice"),
        form(findings.Diagnosis, "Diagnosis", "verdicts terms cosine pull exponent growth places"),
        form(
            findings.LineSearch,
            "LineSearch",
            "start slope lengths values slopes armijo curvature kinds taken pairs most_pairs scale stop stalled"
            " iterations evaluations budget gradient c1 c2",
        ),
        form(
            findings.DampedSteps,
            "DampedSteps",
            "start dampings values promised gains accepted damping stop stalled iterations evaluations gradient"
            " least_gain",
        ),
        form(findings.RescoredCurve, "RescoredCurve", "ids total missing"),
        form(findings.TermPull, "TermPull", "norm"),
        form(findings.WeightEffects, "WeightEffects", "figure value floor factor changes rough"),
        form(findings.WeightProbe, "WeightProbe", "weight factor motion gain changes"),
        form(findings.WeightTrial, "WeightTrial", "weight factor iterations changes"),
        form(findings.OneStep, "OneStep", "motion"),
        form(findings.Futures, "Futures", "frame sequences motions"),
        form(findings.StitchedSeam, "StitchedSeam", "frame shared cut_cm blend_cm"),
        form(findings.Stitched, "Stitched", "cut blend seams motion"),
        form(findings.JointPull, "JointPull", "term vectors"),
    )
