"""Reads the golden cases: arrays that the public implementation computed, and the random models it used."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optim.camera import Camera
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.observations import Observations, PreviousBatch
from optim.pose_prior import PosePrior
from optim.problem import Problem
from optim.stages import Phase, schedule

MODELS = Path(__file__).resolve().parents[3] / "shared" / "golden"
CASES = Path(os.environ.get("GOLDEN_DIR", MODELS))
_PREVIOUS = "in/prev_batch_overlap_res/"


def case_files() -> list[Path]:
    """Every ``.npz`` with a ``meta`` entry in the folder of cases; none where the models are absent."""
    if not (MODELS / "humor_random.pth").is_file():
        return []
    found = []
    for path in sorted(CASES.glob("*.npz")):
        with np.load(path) as arrays:
            if "meta" in arrays.files:
                found.append(path)
    return found


@lru_cache(maxsize=1)
def models() -> dict:
    with np.load(MODELS / "vposer_random.npz") as arrays:
        vposer = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return {
        "body": load_body(MODELS / "body.npz"),
        "pose_prior": PosePrior.from_state_dict(vposer),
        "motion_prior": load_motion_prior(MODELS / "humor_random.pth"),
        "init_state_prior": load_init_state_prior(MODELS / "prior_gmm.npz"),
    }


@dataclass(frozen=True)
class Case:
    """One golden run."""

    name: str
    meta: dict
    arrays: dict[str, np.ndarray]

    @staticmethod
    def read(path: Path) -> Case:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return Case(path.stem, json.loads(str(arrays.pop("meta"))), arrays)

    def tensor(self, name: str) -> Tensor | None:
        return torch.from_numpy(self.arrays[name]) if name in self.arrays else None

    def group(self, prefix: str) -> dict[str, Tensor]:
        """Arrays under a prefix, by the rest of their names."""
        tensors = {k: torch.as_tensor(v) for k, v in self.arrays.items() if k.startswith(prefix)}
        return {name.removeprefix(prefix): value for name, value in tensors.items()}

    @cached_property
    def steps(self) -> int:
        return sum(self.meta["num_iter"])

    @cached_property
    def problem(self) -> Problem:
        previous = None
        if f"{_PREVIOUS}betas" in self.arrays:
            given = self.group(_PREVIOUS)
            interval = tuple(int(n) for n in given.pop("seq_interval"))
            previous = PreviousBatch(seq_interval=interval, **given)
        modalities = ("joints3d", "verts3d", "points3d", "joints2d", "seq_interval")
        seen = Observations(previous=previous, **{name: self.tensor(f"in/{name}") for name in modalities})
        camera = self.tensor("in/camera_matrix")
        return Problem(
            seen,
            **models(),
            camera=None if camera is None else Camera.from_matrix(camera),
            floor=self.tensor("in/floor_plane"),
            joint2d_sigma=float(self.meta["joint2d_sigma"]),
            robust_loss=self.meta["robust"],
            robust_tuning_const=self.meta["robust_tuning_const"],
            name=self.name,
        )

    @cached_property
    def schedule(self) -> tuple[Phase, ...]:
        options = self.meta["options"]
        return schedule(
            "reference",
            "rgb" if self.meta["mode"] == "rgb" else "3d",
            num_iters=self.meta["num_iter"],
            lbfgs_max_iter=self.meta["lbfgs_max_iter"],
            weights=self.meta["weights"],
            tune_init=options["stage3_tune_init_state"],
            tune_frames=options.get("stage3_tune_init_num_frames", 15),
            freeze_start=options.get("stage3_tune_init_freeze_start"),
            freeze_end=options.get("stage3_tune_init_freeze_end"),
            contact_refine_only=options.get("stage3_contact_refine_only", False),
        )
