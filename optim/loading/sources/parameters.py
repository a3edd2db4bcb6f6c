"""The source of SMPL parameters that other programs write: .pkl, .pt, .npy, .json and .npz with their names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DataSource
from optim.loading.sources.motion import OBSERVED

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip


def read(settings: Settings) -> Clip:
    """Read the file that ``--data-path`` names."""
    from optim.loading.readers import motion

    return motion.read(settings)


def recognise(path: Path) -> bool:
    """Whether a file holds SMPL parameters and is not in AMASS format, or a folder holds those of single frames."""
    from optim.loading.files.parameters import holds_parameters

    return holds_parameters(path)


SOURCE = DataSource(
    "SMPL",
    OBSERVED,
    read,
    help="SMPL parameters of WHAM, GVHMR, TRAM, 4D-Humans, AIST++, 3DPW, GLAMR, ROMP, PROX and others",
    recognise=recognise,
    endings=(".pkl", ".pickle", ".pt", ".pth"),
    made=OBSERVED,
    options=("person", "unit", "up", "floor_height", "degrees", "euler"),
)
