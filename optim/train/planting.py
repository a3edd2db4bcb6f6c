"""Let the planted feet of motion capture stand: the legs are corrected where the contact labels say that a foot stands.

In the data, feet that stand creep by one or two millimetres a frame, and their soles are up to some centimetres off the
floor. Here each contact of an ankle or a toe joint gets one place at the height of a resting sole, and hips, knees,
ankles and the height of the root take the legs there. Does not touch the trunk, the arms and the root's path over the
floor.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.body.joints import CONTACT_JOINTS, RESTING_HEIGHT
from optim.common.rotations import axis_angle_to_matrix
from optim.train.data import Clips

LEGS = ((1, 4, 7, 10), (2, 5, 8, 11))
"""Hip, knee, ankle and toe joint of the left and of the right leg."""
FEET = tuple(joint for leg in LEGS for joint in leg[2:])
"""The joints that are put in their places."""
CONTACT_COLUMNS = tuple(CONTACT_JOINTS.index(joint) for joint in FEET)
"""Their columns among the contact labels."""
SHORTEST = 3
"""Frames that a contact has at least; shorter ones are left as they are."""
FARTHEST = 0.05
"""Distance [m] from its mean place, or from its resting height, from which a foot slides or stands on something else.
Such a contact is left as it is."""
RAMP = 8
"""Frames before and after a contact over which the correction of a foot begins and ends."""
SOLVER_STEPS = 6
_DAMPING = 0.01
"""Turns that move a foot by less than this [m] for each radian are hardly used, as in a straight leg."""
_ROOT = 0.5
"""Metres of the root's height that cost as much as a turn of one radian."""
_FRAMES_AT_ONCE = 8192


@torch.no_grad()
def plant_feet(clips: Clips, body: BodyModel) -> Clips:
    """The same clips with planted feet that keep their place on the floor.

    Labels, trunk, arms and the root's path over the floor stay. Between contacts, and ``RAMP`` frames before and after
    one, the correction of a foot goes smoothly to that of the next contact, or to none.

    Args:
        body: Body whose mean shape is planted.
    """
    offsets = _offsets(clips, mean_body_joints(clips, body)[:, FEET])
    changed = torch.nonzero(offsets.abs().amax((1, 2)) > 1e-6)[:, 0]
    trans, rotations = clips.trans.clone(), clips.rotations.clone()
    for part in changed.split(_FRAMES_AT_ONCE):
        trans[part], rotations[part] = _solve(trans[part], rotations[part], offsets[part].unflatten(1, (2, 2)), body)
    return replace(clips, trans=trans, rotations=rotations)


def mean_body_joints(clips: Clips, body: BodyModel) -> Tensor:
    """Joints (N, 22, 3) [m] of the mean body."""
    betas = clips.trans.new_zeros(1, 16)
    return body.joints(clips.trans[None], clips.rotations[None, :, 0], clips.rotations[None, :, 1:], betas)[0]


def clip_of_frame(clips: Clips) -> Tensor:
    """Number (N,) of the clip that a frame belongs to."""
    lengths = torch.tensor(clips.starts, device=clips.trans.device).diff()
    return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)


def labelled_feet(clips: Clips) -> Tensor:
    """Whether ``FEET`` (N, 4) touch the floor by the labels of the clips."""
    return clips.contacts[:, CONTACT_COLUMNS] > 0


def resting_heights(device: torch.device) -> Tensor:
    """Height (4,) [m] of ``FEET`` above the floor if the sole rests on it."""
    return torch.tensor([RESTING_HEIGHT[joint] for joint in FEET], device=device)


def places_of_contacts(clips: Clips, feet: Tensor) -> tuple[Tensor, Tensor]:
    """Where feet (N, 4, 3) [m] are to stand.

    Returns:
        Whether a foot has a place (N, 4), and the place (N, 4, 3) [m], which is meaningless where it has none. A label
        says that the joint has hardly moved since the frame before, so a contact has that frame too.
    """
    clip, labelled = clip_of_frame(clips), labelled_feet(clips)
    same = (clip[1:] == clip[:-1])[:, None]
    held = labelled.clone()
    held[:-1] |= labelled[1:] & same
    begins = held.clone()
    begins[1:] &= ~(held[:-1] & same)
    places, kept = torch.empty_like(feet), torch.empty_like(held)
    for column, height in enumerate(resting_heights(feet.device)):
        run = begins[:, column].long().cumsum(0) * held[:, column]  # 0 where there is no contact
        runs, points = int(run.max()) + 1, feet[:, column]
        frames = torch.bincount(run, minlength=runs)
        mean = torch.zeros(runs, 3, device=feet.device).index_add_(0, run, points) / frames.clamp_min(1)[:, None]
        mean[:, 2] = height
        apart = torch.zeros(runs, device=feet.device)
        apart.scatter_reduce_(0, run, (points - mean[run]).norm(dim=-1), "amax")
        fit = (frames >= SHORTEST) & (apart <= FARTHEST)
        fit[0] = False
        places[:, column], kept[:, column] = mean[run], fit[run]
    return kept, places


def _offsets(clips: Clips, feet: Tensor) -> Tensor:
    """How far (N, 4, 3) feet (N, 4, 3) are to be moved [m]: to their places in contacts, and smoothly less around them.

    The offset of the last frame of a contact fades over ``RAMP`` frames, and so does that of the first frame of the
    next one backwards. Where less time is between the two, one passes into the other.
    """
    held, places = places_of_contacts(clips, feet)
    clip = clip_of_frame(clips)
    count = len(clip)
    frame = torch.arange(count, device=clip.device)[:, None]
    before = torch.where(held, frame, -1).cummax(0).values  # the last frame of the contact before, or this frame
    after = torch.where(held, frame, count).flip(0).cummin(0).values.flip(0)
    offset = torch.where(held[..., None], places - feet, 0.0)
    near = [other.clamp(0, count - 1) for other in (before, after)]
    in_clip = [
        (other == there) & (clip[there] == clip[:, None]) for other, there in zip((before, after), near, strict=True)
    ]
    fade = torch.where(in_clip[0] & in_clip[1], (after - before).clamp(1, RAMP), RAMP)
    faded = torch.zeros_like(offset)
    for there, exists in zip(near, in_clip, strict=True):
        left = 1 - ((frame - there).abs() / fade).clamp(max=1)
        weight = left * left * (3 - 2 * left) * exists
        faded += weight[..., None] * offset.gather(0, there[..., None].expand_as(offset))
    return torch.where(held[..., None], offset, faded)


def _solve(trans: Tensor, rotations: Tensor, offsets: Tensor, body: BodyModel) -> tuple[Tensor, Tensor]:
    """Move the feet of n frames by damped least squares in the turns of the legs and the height of the root.

    Knees only bend. Ankles and toes that are not to move are held where they are, with the same weight.

    Args:
        trans: (n, 3) [m].
        rotations: (n, 22, 3, 3).
        offsets: (n, 2, 2, 3) [m], of ankle and toe joint of each leg.

    Returns:
        New ``trans`` and ``rotations``.
    """
    rest = body.rest_joints(trans.new_zeros(1, 16))[0]
    bones = torch.stack([torch.stack([rest[j] - rest[body.parents[j]] for j in leg]) for leg in LEGS])  # (2, 4, 3)
    moving = torch.tensor([leg[:3] for leg in LEGS], device=trans.device)
    turns, root, height = rotations[:, moving], rotations[:, None, 0], torch.zeros_like(trans[:, 2])
    pelvis = trans + rest[0]
    targets = None
    for _ in range(SOLVER_STEPS):
        points, axes = _leg(pelvis, root, turns, bones, height)
        if targets is None:
            targets = points[:, :, 2:] + offsets
        jacobian = _jacobian(points, axes)
        missing = (targets - points[:, :, 2:]).flatten(1)
        normal = jacobian @ jacobian.mT
        normal.diagonal(dim1=1, dim2=2).add_(_DAMPING**2)
        step = (jacobian.mT @ torch.linalg.solve(normal, missing[..., None]))[..., 0]
        height = height + _ROOT * step[:, 0]
        hip, knee, ankle = step[:, 1:].unflatten(1, (2, 7)).split((3, 1, 3), dim=-1)
        knee = torch.cat((knee, torch.zeros_like(knee), torch.zeros_like(knee)), dim=-1)
        turns = axis_angle_to_matrix(torch.stack((hip, knee, ankle), dim=2)) @ turns
    rotations = rotations.clone()
    rotations[:, moving] = turns
    return torch.cat((trans[:, :2], (trans[:, 2] + height)[:, None]), dim=1), rotations


def _leg(pelvis: Tensor, root: Tensor, turns: Tensor, bones: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (n, 2, 4, 3) of hip, knee, ankle and toe joint, and the axes (n, 2, 3, 3, 3) of the first three."""
    origin = pelvis[:, None].expand(-1, 2, -1) + height[:, None, None] * pelvis.new_tensor((0.0, 0.0, 1.0))
    world = root.expand(-1, 2, -1, -1)
    points, axes = [], []
    for link in range(4):
        origin = origin + (world @ bones[:, link, :, None])[..., 0]
        points.append(origin)
        if link < 3:
            axes.append(world)
            world = world @ turns[:, :, link]
    return torch.stack(points, dim=2), torch.stack(axes, dim=2)


def _jacobian(points: Tensor, axes: Tensor) -> Tensor:
    """Derivative (n, 12, 15) of ankles and toes by the height of the root and the seven turns of each leg.

    The turns are of the hip, of the knee about its bending axis, and of the ankle, in the frame of the parent.
    """
    jacobian = points.new_zeros(len(points), 2, 2, 3, 15)
    jacobian[..., 2, 0] = _ROOT
    for leg in range(2):
        first = 1 + 7 * leg
        for joint, columns in ((0, slice(0, 3)), (1, slice(3, 4)), (2, slice(4, 7))):
            arm = points[:, leg, 2:] - points[:, leg, joint, None]  # (n, 2, 3)
            axis = axes[:, leg, joint][:, None, :, : columns.stop - columns.start]
            moved = torch.linalg.cross(
                axis.expand(-1, 2, -1, -1), arm[..., None].expand(-1, -1, -1, axis.shape[-1]), dim=2
            )
            jacobian[:, leg, :, :, first + columns.start : first + columns.stop] = moved
    return jacobian.flatten(1, 3)
