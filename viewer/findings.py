"""What analyses find out, as frozen numpy values; knows neither torch nor the optimiser.

B sub-sequences, T frames, K rows of the weights table. Positions are in the display frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class FrameTerms:
    """Where along the clip the loss comes from."""

    weighted: np.ndarray  # (K, B, T) share of the loss; NaN for terms that belong to no frame or are not computed


@dataclass(frozen=True, kw_only=True)
class DriftCurves:
    """How far the first roll-out of stage 3 leaves the motion that it encodes."""

    total: dict[str, np.ndarray]  # "root_cm", "joints_cm", "heading_deg", "lowest_foot_cm" → (B, T)
    encoding: dict[str, np.ndarray]  # the part that one teacher-forced step already has
    accumulation: dict[str, np.ndarray]  # the rest
