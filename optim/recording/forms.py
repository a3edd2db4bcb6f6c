"""The names under which a run file stores the optimiser's values. Existing files contain them, so they never change.

When a class or a field is renamed in the code, only the code's side of its form changes:
``form(Renamed, "OldName", "old_field:new_field")``.
"""

from __future__ import annotations

from optim.checks.check import Checked, Choice
from optim.problem.camera import Camera
from optim.problem.footage import Footage
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations, PreviousBatch
from optim.problem.variables import Block, Packing, Trajectory
from optim.recording.values import form
from optim.schedule.phases import Phase
from optim.schedule.presets import Preset

FORMS = (
    form(Checked, "Checked", "check severity seen meant advice stops choices"),
    form(Choice, "Choice", "label flags help"),
    form(Camera, "Camera", "focal centre image_size", shared=True),
    form(Footage, "Footage", "path size frames", shared=True),
    form(PriorFrame, "PriorFrame", "R_prior_input offset", shared=True),
    form(Observations, "Observations", "joints3d verts3d points3d joints2d seq_interval previous doubts", shared=True),
    form(PreviousBatch, "PreviousBatch", "seq_interval verts3d betas floor_plane"),
    form(Block, "Part", "name shape frames"),
    form(Packing, "Packing", "parts:blocks", shared=True),
    form(Trajectory, "Trajectory", "trans root_orient pose_body betas joints contacts floor_plane"),
    form(
        Preset,
        "Preset",
        "name weights rotation start prior_frame contact_refine velocities turn freeze_bounds floor gaps:missing_frames"
        " stage_3 units:preconditioner split stitching cloud_scale solver flat_gain stage_3_solver contacts"
        " unknown_motion flat_iterations hidden_joints contradictions landmarks",
        shared=True,
    ),
    form(
        Phase,
        "Phase",
        "name stage variables steps iterations frames weights init_motion_frames segment preset solver flat_gain"
        " flat_iterations joining for_hidden",
        shared=True,
    ),
)
"""Forms of all values that ``Recording`` writes as JSON; the rows of its tables have columns of their own."""
