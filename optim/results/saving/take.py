"""A motion ready to be exported: with one body shape, in a world with z up and the floor at z = 0.

Knows no file format. Formats with y up rotate the motion by ``Y_UP_FROM_Z_UP``: (x, y, z) → (x, z, −y).
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
    """T frames of one body. Rotations are matrices; lengths are in metres."""

    stem: str
    """Beginning of the names of exported files: clip and stage."""
    result: FitResult
    stage: str
    motion: Trajectory  # batch of one, world with z up
    R_world_input: np.ndarray  # (3, 3) from the frame of the input to the world
    t_world_input: np.ndarray  # (3,) [m]

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
        """Local rotations (T, 22, 3, 3) float64, root first. That of the root is in the world with z up."""
        root, pose = (t[0].double().numpy() for t in (self.motion.root_orient, self.motion.pose_body))
        return np.concatenate((root[:, None], pose), axis=1)

    @property
    def rest_joints(self) -> np.ndarray:
        """Joints (22, 3) [m] of the shaped rest pose: a T-pose with y up, facing +z, as in the body model."""
        return self.body.rest_joints(self.motion.betas)[0, :NUM_JOINTS].double().numpy()

    @property
    def root_positions(self) -> np.ndarray:
        """Positions (T, 3) [m] of the root joint in the world with z up."""
        return self.motion.trans[0].double().numpy() + self.rest_joints[0]

    @property
    def rest_vertices(self) -> np.ndarray:
        """Vertices (V, 3) [m] of the shaped rest pose, y up."""
        shaped = self.body.template + self.body.shape_directions @ self.motion.betas[0]
        return shaped.double().numpy()

    def vertices(self, frame: int) -> np.ndarray:
        """Vertices (V, 3) [m] of one frame in the world with z up."""
        here = slice(frame, frame + 1)
        motion = self.motion
        parts = (motion.trans[:, here], motion.root_orient[:, here], motion.pose_body[:, here], motion.betas)
        return self.body.mesh(*parts)[0, 0].double().numpy()


def take_of(result: FitResult, *, stage: str | None = None) -> Take:
    """Motion of a stage of a result, ready to be exported. None takes the last stage reached.

    Raises:
        InputError: The fit has not reached the stage.
    """
    name = stage or result.last_stage
    motion, frame = result.in_world(name)
    rotation, offset = (t[0].double().numpy() for t in (frame.R_prior_input, frame.offset))
    return Take(f"{result.name}_{name}", result, name, motion, rotation, offset)
