"""Says for the window how sub-sequences are joined: their overlaps, seams, and the stitched motion.

Knows no session, so that a fit and results on disk are told in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optim.body.body_model import BodyModel
from optim.diagnostics.agreement import OverlapDisagreement
from optim.results.results import constant_shape
from optim.split import stitching
from viewer.protocol import view_model as vm
from viewer.protocol.findings import OverlapPair, Overlaps, Seam, Stitched, StitchedSeam
from viewer.worker.display import DisplayFrame, motion_of


def overlaps_of(
    pairs: Sequence[OverlapDisagreement],
    seams: Sequence[stitching.Seam],
    *,
    how: str,
    first: int,
    frame: DisplayFrame,
) -> Overlaps:
    """How neighbours differ, and the seams between them.

    Args:
        how: The way of stitching.
        first: Frame of the video from which the window counts.
    """
    return Overlaps(
        pairs=tuple(
            OverlapPair(
                before=pair.before,
                frames=pair.frames - first,
                position_cm=pair.position_cm,
                velocity_cm=pair.velocity_cm,
                betas=pair.betas,
                floor_angle_deg=pair.floor_angle_deg,
                floor_offset_cm=pair.floor_offset_cm,
                curves=dict(pair.curves),
                joints=None if pair.joints is None else frame.points(pair.joints.numpy()),
            )
            for pair in pairs
        ),
        seams=tuple(
            Seam(
                frame=seam.frame - first,
                shared=seam.shared,
                apart=_jump(seam.apart),
                cut=_jump(seam.before),
                stitched=_jump(seam.after),
            )
            for seam in seams
        ),
        how=how,
    )


def stitched_of(
    clips: Sequence[stitching.Clip],
    *,
    body: BodyModel,
    mesh: vm.BodyMesh,
    first: int,
    frame: DisplayFrame,
) -> Stitched:
    """The sub-sequences as one motion, cut and blended.

    Args:
        first: Frame of the video from which the window counts.
    """
    cut, blend = (stitching.stitch(clips, body=body, how=how) for how in ("cut", "blend"))
    whole = constant_shape(blend, body)[0]
    per_frame = {name: getattr(whole, name)[:, first:] for name in ("trans", "root_orient", "pose_body", "joints")}
    joints = [frame.points(motion.joints.numpy()[first:]) for motion in (cut, blend)]
    seams = tuple(
        StitchedSeam(
            frame=seam.frame - first,
            shared=seam.shared,
            cut_cm=None if seam.before is None else seam.before.cm,
            blend_cm=None if seam.after is None else seam.after.cm,
        )
        for seam in blend.seams
    )
    motion = motion_of(replace(whole, **per_frame, contacts=None), frame, mesh)
    return Stitched(cut=joints[0], blend=joints[1], seams=seams, motion=motion)


def _jump(jump: stitching.Jump | None) -> tuple[float, float] | None:
    return None if jump is None else (jump.cm, jump.deg)
