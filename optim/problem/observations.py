"""Observations of B sub-sequences over T frames, with their visibility.

A 3D point that was not seen is +inf; a 2D keypoint that was not seen has confidence 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from optim.checks.contradictions import EXCHANGED, FACTOR, OTHER_SIDE, REASONS, TRUSTED
from optim.common.errors import InputError
from optim.problem.camera import IGNORED_KEYPOINTS

_SHAPES = {"joints3d": (22, 3), "verts3d": (43, 3), "points3d": (None, 3), "joints2d": (25, 3)}


@dataclass(frozen=True)
class PreviousBatch:
    """The fitted last sub-sequence of the previous batch, for the overlap terms."""

    seq_interval: tuple[int, int]
    verts3d: Tensor  # (T', 43, 3) in the input frame
    betas: Tensor  # (16,)
    floor_plane: Tensor  # (4,) normal, offset


@dataclass(frozen=True)
class Masked:
    """Values with 0 where nothing was seen, and a mask of the same shape but with a last axis of length 1."""

    values: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Observations:
    """At least one modality (kind of observation), all in the input frame: the camera's, or the world without a camera.

    Raises:
        InputError: There is no modality, a shape is wrong, lengths differ, a value is NaN, or there are fewer than two
            frames.
    """

    joints3d: Tensor | None = None  # (B, T, 22, 3) m
    verts3d: Tensor | None = None  # (B, T, 43, 3) m
    points3d: Tensor | None = None  # (B, T, N, 3) m
    joints2d: Tensor | None = None  # (B, T, 25, 3) x px, y px, confidence
    doubts: Tensor | None = None
    """(B, T, 25) int8: codes of the reasons (``checks.contradictions.REASONS``) for which keypoints are doubted, with a
    minus where they are trusted nevertheless; None: all are trusted. Where sides are exchanged the fit puts them
    back, and other doubted keypoints hardly count."""
    seq_interval: Tensor | None = None  # (B, 2) int: first frame and frame after the last in the whole video
    previous: PreviousBatch | None = None

    def __post_init__(self) -> None:
        lengths = {}
        for name, tail in _SHAPES.items():
            value = getattr(self, name)
            if value is not None:
                lengths[name] = _checked(name, value, tail)
        if not lengths:
            raise InputError(f"no observations; give at least one of {', '.join(_SHAPES)}")
        if len(set(lengths.values())) > 1:
            raise InputError(f"observations differ in (sub-sequences, frames): {lengths}; cut them to the same length")
        if self.doubts is not None and (self.joints2d is None or self.doubts.shape != self.joints2d.shape[:3]):
            raise InputError(f"doubts of shape {tuple(self.doubts.shape)}; they must be those of joints2d, (B, T, 25)")
        if self.frames < 2:
            raise InputError(f"{self.frames} frame observed; a motion needs at least 2")
        if self.seq_interval is not None and tuple(self.seq_interval.shape) != (self.batch, 2):
            raise InputError(f"seq_interval has shape {tuple(self.seq_interval.shape)}; ({self.batch}, 2) is expected")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sub-sequences and number of frames."""
        value = getattr(self, self.modalities[0])
        return value.shape[0], value.shape[1]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that were observed."""
        return tuple(name for name in _SHAPES if getattr(self, name) is not None)

    @property
    def batch(self) -> int:
        return self.shape[0]

    @property
    def frames(self) -> int:
        return self.shape[1]

    @cached_property
    def visible(self) -> dict[str, Tensor]:
        """Modality → mask (B, T, ...) bool of the points that were seen and enter the data terms."""
        masks = {}
        for name in ("joints3d", "verts3d", "points3d"):
            if (value := getattr(self, name)) is not None:
                masks[name] = torch.isfinite(value).all(-1)
        if self.joints2d is not None:
            masks["joints2d"] = self.put_back[..., 2] > 0
        return masks

    @cached_property
    def shows_body(self) -> Tensor:
        """How far 3D observations show the body (B, T): 1 if all points are seen, 0 if three quarters or fewer are.

        Images alone do not show it: the depth in them is a guess.
        """
        shares = [mask.float().mean(-1) for name, mask in self.visible.items() if name != "joints2d"]
        if not shares:
            return torch.zeros(self.shape)
        return (4.0 * torch.stack(shares).amax(0) - 3.0).clamp_min(0.0)

    def masked(self, name: str) -> Masked:
        """A 3D modality with 0 for unseen points (B, T, K, 3), and its mask (B, T, K, 1)."""
        return self._masked[name]

    @cached_property
    def _masked(self) -> dict[str, Masked]:
        table = {}
        for name, mask in self.visible.items():
            if name != "joints2d":
                value = getattr(self, name)
                seen = mask[..., None]
                table[name] = Masked(torch.where(seen, value, torch.zeros_like(value)), seen.to(value.dtype))
        return table

    @cached_property
    def put_back(self) -> Tensor:
        """``joints2d`` (B, T, 25, 3) with left and right put back where they are exchanged."""
        assert self.joints2d is not None
        if self.doubts is None:
            return self.joints2d
        exchanged = self.doubts == EXCHANGED
        exchanged = exchanged | exchanged[..., OTHER_SIDE]
        return torch.where(exchanged[..., None], self.joints2d[:, :, OTHER_SIDE], self.joints2d)

    @cached_property
    def trusted_keypoints(self) -> Tensor:
        """The same (B, T, 25, 3) with lower confidences of the keypoints that are doubted for other reasons."""
        if not self.doubted.any():
            return self.put_back
        trusted = self.put_back.clone()
        trusted[..., 2] *= torch.where(self.doubted, FACTOR, 1.0)
        return trusted

    @property
    def doubted(self) -> Tensor:
        """Mask (B, T, 25) of the 2D keypoints whose places are doubted; exchanged ones can be put back."""
        assert self.joints2d is not None
        if self.doubts is None:
            return torch.zeros(self.joints2d.shape[:3], dtype=torch.bool)
        return (self.doubts > TRUSTED) & (self.doubts != EXCHANGED)

    @cached_property
    def keypoint_weights(self) -> Tensor:
        """Weights conf² (B, T, 25, 1) of the 2D keypoints; 0 for BODY_25's neck and hips."""
        squared = self.trusted_keypoints[..., 2:] ** 2
        squared[:, :, list(IGNORED_KEYPOINTS)] = 0.0
        return squared

    @cached_property
    def counted_keypoints(self) -> Tensor:
        """Mask (B, T, 25) of the 2D keypoints that figures of the fit count: those that weigh and are not doubted."""
        return (self.keypoint_weights[..., 0] > 0) & ~self.doubted

    @cached_property
    def keypoints(self) -> Tensor:
        """Image positions (B, T, 25, 2) [px] of the 2D keypoints, exchanged sides put back; 0 where not seen."""
        seen = self.visible["joints2d"][..., None]
        return torch.where(seen, self.put_back[..., :2], torch.zeros_like(self.put_back[..., :2]))

    def first(self, frames: int | None) -> Observations:
        """The observations of the first ``frames`` frames; None means all frames."""
        if frames is None or frames >= self.frames:
            return self
        names = (*_SHAPES, "doubts")
        cut = {name: value[:, :frames] for name in names if (value := getattr(self, name)) is not None}
        return replace(self, **cut)

    def without(
        self, start: int, end: int, *, modality: str | None = None, sub_sequence: int | None = None
    ) -> Observations:
        """The same observations with frames ``start`` to ``end - 1`` marked as not seen (+inf, or confidence 0).

        Args:
            modality: Name of the modality to change; None means all.
            sub_sequence: Index of the sub-sequence to change; None means all.

        Raises:
            InputError: The range, the modality or the sub-sequence does not exist.
        """
        rows = self._rows(sub_sequence)
        self._check_range(start, end)
        changed = {}
        for name in self._named(modality):
            value = getattr(self, name).clone()
            if name == "joints2d":
                value[rows, start:end, :, 2] = 0.0
            else:
                value[rows, start:end] = float("inf")
            changed[name] = value
        return replace(self, **changed)

    def reweighted(
        self, factor: float, start: int, end: int, *, keypoint: int | None = None, sub_sequence: int | None = None
    ) -> Observations:
        """The same observations with the confidence of 2D keypoints in some frames multiplied by a factor.

        Args:
            factor: Finite factor of at least 0.
            start: First frame.
            end: Frame after the last.
            keypoint: Index of the keypoint of BODY_25 to change; None means all.
            sub_sequence: Index of the sub-sequence to change; None means all.

        Raises:
            InputError: There are no 2D keypoints, the factor is negative or not finite, or the range, keypoint or
                sub-sequence does not exist.
        """
        if self.joints2d is None:
            raise InputError(f"only joints2d has confidences, and observed are {', '.join(self._named(None))}")
        if not (math.isfinite(factor) and factor >= 0):
            raise InputError(f"confidences times {factor}; a finite number of at least 0 is needed")
        if keypoint is not None and not 0 <= keypoint < self.joints2d.shape[2]:
            raise InputError(f"no keypoint {keypoint}; BODY_25 has 0 to {self.joints2d.shape[2] - 1}")
        rows = self._rows(sub_sequence)
        self._check_range(start, end)
        chosen = slice(None) if keypoint is None else slice(keypoint, keypoint + 1)
        value = self.joints2d.clone()
        value[rows, start:end, chosen, 2] *= factor
        return replace(self, joints2d=value)

    def trusting(
        self,
        trusted: bool,
        start: int,
        end: int,
        *,
        keypoints: Sequence[int] | None = None,
        sub_sequence: int | None = None,
    ) -> Observations:
        """The same observations with doubts about 2D keypoints of some frames set aside, or raised again.

        Args:
            trusted: Whether they are trusted.
            start: First frame.
            end: Frame after the last.
            keypoints: Indices of the keypoints of BODY_25; None means all.
            sub_sequence: Index of the sub-sequence; None means all.

        Raises:
            InputError: No keypoint was ever doubted, or the range, a keypoint or the sub-sequence does not exist.
        """
        if self.doubts is None:
            raise InputError("no 2D keypoints of these observations are doubted")
        count = self.doubts.shape[2]
        chosen = list(range(count)) if keypoints is None else list(keypoints)
        if any(not 0 <= keypoint < count for keypoint in chosen):
            raise InputError(f"no keypoints {keypoints}; BODY_25 has 0 to {count - 1}")
        rows = self._rows(sub_sequence)
        self._check_range(start, end)
        doubts = self.doubts.clone()
        part = doubts[rows, start:end][..., chosen].abs()
        doubts[rows, start:end, chosen] = -part if trusted else part
        return replace(self, doubts=doubts)

    def _named(self, modality: str | None) -> list[str]:
        there = list(self.modalities)
        if modality is not None and modality not in there:
            raise InputError(f"{modality!r} is not observed; observed are {', '.join(there)}")
        return there if modality is None else [modality]

    def _rows(self, sub_sequence: int | None) -> slice:
        if sub_sequence is None:
            return slice(None)
        if not 0 <= sub_sequence < self.batch:
            raise InputError(f"no sub-sequence {sub_sequence}; there are 0 to {self.batch - 1}")
        return slice(sub_sequence, sub_sequence + 1)

    def _check_range(self, start: int, end: int) -> None:
        if not 0 <= start < end <= self.frames:
            raise InputError(f"frames {start} to {end}; they must satisfy 0 <= start < end <= {self.frames}")

    def to(self, dtype: torch.dtype) -> Observations:
        """The same observations in another floating-point type."""
        return replace(self, **{n: v.to(dtype) for n in _SHAPES if (v := getattr(self, n)) is not None})


def stored_doubts(codes: np.ndarray, frames: int) -> Tensor:
    """``doubts`` (1, T, 25) from the codes (T, 25) that a file holds.

    Raises:
        InputError: They are not a code for each keypoint of ``frames`` frames.
    """
    known, shape = (TRUSTED, *REASONS, *(-code for code in REASONS)), (frames, _SHAPES["joints2d"][0])
    advice = "leave the array out to have the doubts found again"
    if codes.shape != shape:
        raise InputError(f"doubts has shape {codes.shape}; {shape} is expected, as joints2d has; {advice}")
    unknown = np.unique(codes[~np.isin(codes, known)])
    if len(unknown):
        values = ", ".join(f"{value:g}" for value in unknown[:4])
        raise InputError(f"doubts holds {values}; integers from {min(known)} to {max(known)} are expected; {advice}")
    return torch.from_numpy(codes.astype(np.int8))[None]


def _checked(name: str, value: Tensor, tail: tuple[int | None, int]) -> tuple[int, int]:
    shape = tuple(value.shape)
    wanted = "(B, T, " + ", ".join("N" if n is None else str(n) for n in tail) + ")"
    if len(shape) != 4 or any(n is not None and n != m for n, m in zip(tail, shape[2:], strict=True)):
        raise InputError(f"{name} has shape {shape}; {wanted} is expected")
    if not value.is_floating_point():
        raise InputError(f"{name} is of type {value.dtype}; floating-point numbers are expected")
    if torch.isnan(value).any():
        raise InputError(f"{name} holds NaN; mark missing data with +inf (3D) or confidence 0 (2D)")
    if name == "joints2d" and bool((value[..., 2] < 0).any()):
        raise InputError("joints2d holds negative confidences; they must be 0 (not seen) or more")
    return shape[0], shape[1]
