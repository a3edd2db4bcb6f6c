"""Shared by all tests: processes of one thread each, and model files in the official formats with random weights."""

import logging
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from optim.common.logs import LOG_FILE, OURS, VERBOSE


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """The whole suite runs in as many processes as xdist finds processors; files that are named only in this process.

    A debugger can stop only this process. ``-n 4`` overrides both.
    """
    return 0 if config.args_source == pytest.Config.ArgsSource.ARGS else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process is left alone with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take back what a program that a test has run in this process has set up for its log."""
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in (*OURS, "optim.checks")}
    handlers, chosen = list(root.handlers), {name: os.environ.get(name) for name in (VERBOSE, LOG_FILE)}
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for name, value in chosen.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@dataclass(frozen=True)
class ModelFiles:
    """Files that the command line's model flags can name."""

    vposer: Path
    humor: Path
    init_motion_prior: Path

    def flags(self) -> list[str]:
        """As arguments of the command line."""
        named = {"vposer": self.vposer, "humor": self.humor, "init-motion-prior": self.init_motion_prior}
        return [word for name, path in named.items() for word in (f"--{name}", str(path))]


@pytest.fixture(scope="session")
def model_files(tmp_path_factory) -> ModelFiles:
    """Untrained priors on disk, in the formats of the real ones."""
    import torch

    from optim.priors.motion_prior import MotionPrior
    from optim.priors.pose_prior import new_network

    folder = tmp_path_factory.mktemp("models")
    files = ModelFiles(folder / "vposer_v1_0", folder / "best_model.pth", folder / "prior_gmm.npz")
    (files.vposer / "snapshots").mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(new_network().state_dict(), files.vposer / "snapshots" / "TR00_E001.pt")
        prior = MotionPrior()
        last = prior.decoder.net[-1]
        with torch.no_grad():
            last.weight.mul_(0.05)
            last.bias.zero_()
        torch.save({"model": prior.state_dict(), "epoch": 1}, files.humor)
    covariances = np.stack([np.eye(138, dtype=np.float32)] * 2)
    np.savez(files.init_motion_prior, weights=[0.5, 0.5], means=np.zeros((2, 138)), covariances=covariances)
    return files
