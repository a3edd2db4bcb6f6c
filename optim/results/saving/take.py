"""One motion ready to be exported: on one shape, in a world with z up and the floor at z = 0, named for its files.

Knows no file format. Formats that have y up turn it by ``Y_UP_FROM_Z_UP``: (x, y, z) → (x, z, −y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.body.body_model import BodyModel
from optim.body.joints import NUM_JOINTS
from optim.problem.variables import Trajectory
from optim.results.results import FitResult

Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])


@dataclass(frozen=True)
class Take:
    """T frames of one body; rotations are matrices, lengths metres."""

    stem: str
    """Of the files' names: clip and stage."""
    result: FitResult
    stage: str
    motion: Trajectory  # batch of one, world with z up
    R_world_input: np.ndarray  # (3, 3) from the frame of the input
    t_world_input: np.ndarray  # (3,) m

    @property
    def body(self) -> BodyModel:
        return self.result.body

    @property
    def fps(self) -> float:
        return self.result.fps

    @property
    def frames(self) -> int:
        return self.motion.trans.shape[1]

    @property
    def rotations(self) -> np.ndarray:
        """(T, 22, 3, 3) local rotations, root first, z up; float64."""
        root, pose = (t[0].double().numpy() for t in (self.motion.root_orient, self.motion.pose_body))
        return np.concatenate((root[:, None], pose), axis=1)

    @property
    def rest_joints(self) -> np.ndarray:
        """(22, 3) of the shaped rest pose: T-pose, y up, facing +z, as the body model has it."""
        return self.body.rest_joints(self.motion.betas)[0, :NUM_JOINTS].double().numpy()

    @property
    def root_positions(self) -> np.ndarray:
        """(T, 3) of the root joint, z up."""
        return self.motion.trans[0].double().numpy() + self.rest_joints[0]

    @property
    def rest_vertices(self) -> np.ndarray:
        """(V, 3) of the shaped rest pose, y up."""
        shaped = self.body.template + self.body.shape_directions @ self.motion.betas[0]
        return shaped.double().numpy()

    def vertices(self, frame: int) -> np.ndarray:
        """(V, 3) of one frame, z up."""
        here = slice(frame, frame + 1)
        motion = self.motion
        parts = (motion.trans[:, here], motion.root_orient[:, here], motion.pose_body[:, here], motion.betas)
        return self.body.mesh(*parts)[0, 0].double().numpy()


def take_of(result: FitResult, *, stage: str | None = None) -> Take:
    """The motion of a stage (by default the last) of a result.

    Raises:
        InputError: The fit has not reached the stage.
    """
    name = stage or result.last_stage
    motion, frame = result.in_world(name)
    rotation, offset = (t[0].double().numpy() for t in (frame.R_prior_input, frame.offset))
    return Take(f"{result.name}_{name}", result, name, motion, rotation, offset)
