"""What is said about joints that are held on the floor; shared by the layer of contacts and the panel Floor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.body.joints import RESTING_HEIGHT, RESTING_JOINTS
from optim.diagnostics.quantities import QUANTITIES
from viewer.protocol.findings import GroundCurves
from viewer.protocol.view_model import ViewModel
from viewer.scene.picking import joint_name
from viewer.ui.widgets import number


def resting_joints(view: ViewModel, frame: int, found: GroundCurves, sequence: int) -> Iterator[tuple[int, str, str]]:
    """The joints that are held at a frame, or cost something and are below their resting height, costly ones first.

    The public terms cost a little at every joint high in the air, which nothing holds.

    Yields:
        The joint, its name, and a text: its height, how much that is above the height at which it rests, and its share
        of the loss under the contact terms.
    """
    local = frame - view.scene.starts[sequence]
    if found.held is None or found.joint_height_cm is None or found.joint_value is None:
        return
    if not 0 <= local < found.held.shape[1]:
        return
    held, heights, costs = (part[sequence, local] for part in (found.held, found.joint_height_cm, found.joint_value))
    for index in np.argsort(-costs, kind="stable").tolist():
        joint = RESTING_JOINTS[index]
        above = heights[index] - 100.0 * RESTING_HEIGHT[joint]
        if held[index] > 0 or (costs[index] > 0 and above < 0):
            height, cost = QUANTITIES["joint_height_cm"].text(heights[index]), number(float(costs[index]), 2)
            yield joint, joint_name(view, joint), f"{height} high ({above:+.1f}), costs {cost}"
