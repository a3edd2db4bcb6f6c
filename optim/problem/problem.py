"""The statement of one fit: observations, camera, floor and models. It is checked once, when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.checks.check import Checked
from optim.common.errors import InputError
from optim.priors.init_state_prior import InitStatePrior
from optim.priors.motion_prior import MotionPrior
from optim.priors.pose_prior import PosePrior
from optim.problem.camera import Camera
from optim.problem.footage import Footage
from optim.problem.frames import PriorFrame
from optim.problem.observations import Masked, Observations
from optim.problem.variables import Trajectory
from optim.schedule.data_types import data_type_of

PRIOR_FPS = 30.0
ROBUST_LOSSES = ("bisquare", "none")


@dataclass(frozen=True)
class Problem:
    """Observations of B sub-sequences of T frames, and everything else that the objective needs besides variables.

    With a camera, the input frame is the frame of the camera, and there is a floor. Without one, the input frame is a
    world with z up and the floor at z = 0. The observations are stated in it, unless ``from_input`` says otherwise:
    then they are stated in another such world.

    Raises:
        InputError: Fields do not fit each other, the frame rate is not the prior's, or nothing is visible.
    """

    observations: Observations
    body: BodyModel
    pose_prior: PosePrior
    motion_prior: MotionPrior
    init_state_prior: InitStatePrior
    camera: Camera | None = None
    floor: Tensor | None = None  # (B, 4) unit normal, offset in the camera frame, as observed or assumed
    floor_known: bool = True
    """Whether the floor was observed; an assumed floor may be estimated from the feet (``Preset.floor``)."""
    floor_metric: Tensor | None = None
    """(B, 3, 3) metric of the term ``floor_reg`` for deviations of normal · offset; None is the plain distance."""
    novelty: Tensor | None = None
    """(B, T) from 0 to 1: how far each frame of the motion of stage 2 is outside the motion prior, where the rules of a
    preset weaken the prior there (``Preset.unknown_motion``); None: it is trusted everywhere."""
    expected_joints: Tensor | None = None
    """(B, T, 22, 3) [m] in the input frame: places where the prior of the first state expects joints that are hidden
    (``Preset.hidden_joints``), +inf for all others; None: no places are expected."""
    planted: Tensor | None = None
    """(B, T, 16) from 0 to 1: strength with which joints are planted (``terms.planted.measured_strength``), held for an
    outer step; None: it is measured wherever it is asked for."""
    footage: Footage | None = None
    asked_overlap: int | None = None
    """Smallest number of frames that neighbouring sub-sequences of a split clip share, as the user gave it."""
    fps: float = PRIOR_FPS
    ground_truth: Trajectory | None = None
    from_input: PriorFrame | None = None
    """Transform from the input frame to the frame that observations and truth are stated in; None: they are the same.
    ``loading.input_frame`` makes it and brings motions back. Such a problem is not split into sub-sequences."""
    name: str = ""
    body_file: Path | None = None
    """File that the body was read from, to be named in results."""
    joint2d_sigma: float = 100.0
    robust_loss: str = "bisquare"
    robust_tuning_const: float = 4.6851
    robust_least_scale: float = 0.0
    """Lower limit [m] of the scale of point clouds' residuals in stages 1 and 2 (``Preset.cloud_scale``)."""
    checked: tuple[Checked, ...] = ()
    """What the checks of the data found, for the window and the report."""

    def __post_init__(self) -> None:
        if self.fps != PRIOR_FPS:
            raise InputError(
                f"observations at {self.fps} frames/s; the motion prior knows {PRIOR_FPS:g}: resample them"
            )
        if not any(mask.any() for mask in self.observations.visible.values()):
            raise InputError("nothing is visible in any frame of the observations; there is nothing to fit")
        if self.observations.joints2d is not None and self.camera is None:
            raise InputError("joints2d are observed but there is no camera; give its intrinsics")
        if (self.camera is None) != (self.floor is None):
            missing = "floor" if self.floor is None else "camera"
            raise InputError(f"camera and floor belong together; {missing} is missing")
        if self.camera is not None and self.from_input is not None:
            raise InputError("observations of a camera are stated in its frame; from_input is for 3D data without one")
        self._check_batch()
        if self.robust_loss not in ROBUST_LOSSES:
            raise InputError(f"robust_loss {self.robust_loss!r} is not known; there are {', '.join(ROBUST_LOSSES)}")

    def _check_batch(self) -> None:
        if self.camera is not None and len(self.camera.focal) not in (1, self.batch):
            raise InputError(f"{len(self.camera.focal)} cameras for {self.batch} sub-sequences; give one, or one each")
        if self.floor is None:
            return
        if tuple(self.floor.shape) != (self.batch, 4):
            raise InputError(f"floor has shape {tuple(self.floor.shape)}; ({self.batch}, 4) is expected")
        if not torch.isfinite(self.floor).all() or bool((self.floor[:, :3].norm(dim=1) < 1e-6).any()):
            raise InputError(f"floor is {self.floor.tolist()}; finite numbers (normal, offset) are expected")
        if bool((self.floor[:, 3].abs() < 1e-6).any()):
            raise InputError("the floor passes through the camera; normal · offset cannot stand for it: move it")

    @property
    def batch(self) -> int:
        return self.observations.batch

    @property
    def frames(self) -> int:
        return self.observations.frames

    @property
    def has_camera(self) -> bool:
        return self.camera is not None

    @property
    def data_type(self) -> str:
        """Data type of the observations, which decides default weights and steps (``schedule.data_types``)."""
        return data_type_of(self.observations.modalities, camera=self.has_camera)

    @cached_property
    def offers(self) -> frozenset[str]:
        """Inputs for loss terms that are there: the observed modalities, ``floor``, ``expected``, ``overlap`` and
        ``previous``.

        ``overlap`` means that sub-sequences of one clip share frames with each other or with ``previous``, the fitted
        last sub-sequence of the batch before.
        """
        seen, offered = self.observations, set(self.observations.modalities)
        if self.floor is not None:
            offered.add("floor")
        if self.expected_joints is not None:
            offered.add("expected")
        if seen.previous is not None:
            offered |= {"overlap", "previous"}
        if seen.seq_interval is not None and self.batch > 1:
            offered.add("overlap")
        return frozenset(offered)

    @cached_property
    def expected(self) -> Masked:
        """``expected_joints`` as the data terms take observed points."""
        assert self.expected_joints is not None
        known = torch.isfinite(self.expected_joints)
        values = torch.where(known, self.expected_joints, torch.zeros_like(self.expected_joints))
        return Masked(values, known[..., :1].to(values.dtype))

    @cached_property
    def observed_floor(self) -> Tensor:
        """The observed floor as normal · offset (B, 3) [m], which is the form of the variable ``floor_plane``."""
        assert self.floor is not None
        return self.floor[:, :3] * self.floor[:, 3:]
