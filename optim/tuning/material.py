"""What a search is made over: recorded runs, or clips of motion capture that a protocol degrades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.evaluation.protocols import PICTURED, Extract, Models, problem_of
from optim.recording.recording import Recording
from optim.recording.resuming import load_recorded, resumed_settings
from optim.recording.runfile import RunFile
from optim.schedule.phases import Phase
from optim.schedule.stages import schedule
from optim.session.session import Session
from optim.tuning.finished import FinishedFit
from optim.tuning.fits import WARM_ITERATIONS, Clip, StageFit, WarmFit, is_warm
from optim.tuning.space import Parameter


class Material(Protocol):
    """Clips by name, and the schedule that a search begins from."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the clips."""
        ...

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The schedule under the present weights."""
        ...

    @property
    def data(self) -> str:
        """Name in ``DATA_TYPES``, which decides the weights that are not given."""
        ...

    @property
    def how(self) -> Mapping[str, Any]:
        """What decides the fits, for the description of a study."""
        ...

    def clip(self, name: str, searched: Sequence[Parameter], *, iterations: int | None) -> Clip:
        """A clip, ready for trials."""
        ...


@dataclass(frozen=True)
class Degraded:
    """Clips of motion capture under a protocol (``optim.evaluation.protocols``)."""

    extracts: Sequence[Extract]
    models: Models
    protocol: str
    seed: int
    preset: str
    options: Mapping[str, Any]
    """Further arguments of ``stages.schedule``."""
    folder: Path | None = None
    """Folder in which the fits are kept that trials begin from; None: they are not kept."""

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Material``."""
        return tuple(extract.name for extract in self.extracts)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """See ``Material``."""
        return self._schedule(self.preset)

    @property
    def data(self) -> str:
        """See ``Material``."""
        return "rgb" if self.protocol in PICTURED else "3d"

    @property
    def how(self) -> Mapping[str, Any]:
        """See ``Material``."""
        frames = self.extracts[0].truth.joints.shape[1]
        facts = {"protocol": self.protocol, "seed": self.seed, "preset": self.preset, "frames": frames}
        return facts | {name: value for name, value in self.options.items() if value is not None}

    def clip(self, name: str, searched: Sequence[Parameter], *, iterations: int | None) -> Clip:
        """See ``Material``."""
        extract = next(extract for extract in self.extracts if extract.name == name)
        problem = problem_of(extract, self.models, protocol=self.protocol, seed=self.seed)
        kept = None if self.folder is None else FinishedFit(self.folder, name)
        session = Session(problem, schedule=self.phases, keep_iterations=kept is not None, under=self._schedule)
        return _clip(name, session, searched, iterations, kept)

    def _schedule(self, preset: str) -> tuple[Phase, ...]:
        return schedule(preset, self.data, **self.options)


class Runs:
    """Recorded runs. Trials go on from where each of them stands, or fit its data again.

    Args:
        paths: The run files.
        models: Flags and values of models that lie elsewhere now.

    Raises:
        InputError: A file is no run, or cannot be resumed.
    """

    def __init__(self, paths: Sequence[Path], *, models: Sequence[str] = ()) -> None:
        self.names = tuple(str(path) for path in paths)
        if len(set(self.names)) != len(self.names):
            raise InputError("a run is given twice")
        self._loaded = {name: _loaded(Path(name), models) for name in self.names}
        self._first = self._loaded[self.names[0]]

    @property
    def phases(self) -> tuple[Phase, ...]:
        """See ``Material``. Runs after the first one keep their own schedule but for what is searched."""
        return self._first.schedule

    @property
    def data(self) -> str:
        """See ``Material``."""
        return self._first.problem.data_type

    @property
    def how(self) -> Mapping[str, Any]:
        """See ``Material``."""
        return {"from": [f"{session.current.id} of {len(session.history)}" for session in self._loaded.values()]}

    def clip(self, name: str, searched: Sequence[Parameter], *, iterations: int | None) -> Clip:
        """See ``Material``."""
        return _clip(name, self._loaded[name], searched, iterations)


def _loaded(path: Path, models: Sequence[str]) -> Session:
    """The session of a run at the recorded state. The file stays open: snapshots are read from it."""
    settings = resumed_settings(parse(["--resume", str(path), *models]))
    session = load_recorded(settings)
    Recording(RunFile(path, mode="read")).restore(session)
    return session


def _clip(
    name: str,
    session: Session,
    searched: Sequence[Parameter],
    iterations: int | None,
    kept: FinishedFit | None = None,
) -> Clip:
    if is_warm(searched):
        return WarmFit(name, session, searched, iterations=iterations or WARM_ITERATIONS, kept=kept)
    return StageFit(name, session, searched, iterations=iterations, kept=kept)
