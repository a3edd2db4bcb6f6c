"""Flags that name the models of a fit, and the models that they name, for the tools that fit clips themselves."""

from __future__ import annotations

import argparse
from pathlib import Path

import assets
from optim.evaluation.protocols import Models
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.priors.pose_prior import load_pose_prior

MODEL_FLAGS = {
    "--smpl": assets.BODY_FOLDER,
    "--vposer": assets.POSE_PRIOR_FOLDER,
    "--humor": assets.MOTION_PRIOR_FILE,
    "--init-motion-prior": assets.INIT_STATE_PRIOR_FILE,
}
"""Flag → the model that ships."""


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags, with the models that ship as defaults."""
    for flag, default in MODEL_FLAGS.items():
        parser.add_argument(flag, type=Path, default=default)


def models_of(options: argparse.Namespace) -> Models:
    """Load the models that the flags name."""
    return Models(
        load_body(options.smpl),
        load_pose_prior(options.vposer),
        load_motion_prior(options.humor),
        load_init_state_prior(options.init_motion_prior),
    )
