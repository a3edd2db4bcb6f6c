"""What a rule says about a fit, and the figures that several rules look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.diagnostics.gradients import TermGradients, term_gradients
from optim.diagnostics.ground import Ground, ground
from optim.problem.problem import Problem
from optim.schedule.weights import default_weights
from optim.session.fit import Fit
from optim.session.history import Snapshot

LEVELS = ("bad", "warn", "good")
_HEAD, _FEET = 15, (10, 11)


@dataclass(frozen=True)
class Cause:
    """One statement about a fit: something that is wrong, or that is in order."""

    level: str
    """``bad``, ``warn`` or ``good``."""
    text: str
    """One sentence."""
    evidence: tuple[str, ...] = ()
    """Numbers with units."""
    advice: str = ""
    """What to try; empty where nothing is wrong."""
    frame: int | None = None
    """Frame of the clip where it can be seen."""
    rule: str = ""
    """Name of the rule in ``table``, which fills it in."""


class Look:
    """A snapshot of a fit, with the figures that several rules need; each is computed once.

    Args:
        fit: The fit; it is not changed.
        snapshot: The snapshot to judge; None means the current one.
        before: Number of sub-sequences of the clip in earlier batches that the fit does not have.
    """

    def __init__(self, fit: Fit, snapshot: Snapshot | None = None, *, before: int = 0) -> None:
        self.fit, self.snapshot, self.before = fit, snapshot or fit.current, before

    @cached_property
    def problem(self) -> Problem:
        """The problem as edited up to the snapshot."""
        return self.fit.problem_at(self.snapshot)

    @cached_property
    def earlier(self) -> list[Fit]:
        """The batches of the clip before that of the snapshot, as they ended."""
        return self.fit.earlier_batches(self.snapshot)

    def number(self, sequence: int) -> int:
        """Number of a sub-sequence of the batch among those of all batches so far, from 0."""
        return self.before + sequence + sum(part.problem.batch for part in self.earlier)

    @cached_property
    def usual_weights(self) -> dict[str, float]:
        """Default weights of the snapshot's phase, for its data and the rules of its preset."""
        phase = self.snapshot.schedule[self.snapshot.phase]
        own, planted = phase.preset.weights == "own", phase.preset.contacts == "planted"
        table = default_weights(self.problem.data_type, own=own, nodes=False, planted=planted)
        return {name: stages[phase.stage - 1] for name, stages in table.items()}

    @cached_property
    def ground(self) -> Ground:
        """Heights, skate and contacts."""
        return ground(self.fit, self.snapshot)

    @cached_property
    def gradients(self) -> TermGradients:
        """Gradients of the active terms."""
        return term_gradients(self.fit, self.snapshot)

    @cached_property
    def free(self) -> Snapshot | None:
        """The last snapshot of stages 1 and 2 on the branch, whose motion no roll-out and no contact has changed."""
        for entry in self.fit.history.path_back(self.snapshot.id):
            if entry.stage < 3:
                return self.fit.history[entry.id]
        return None

    def at(self, sequence: int, frame: int) -> int:
        """Frame of the clip for a frame of a sub-sequence."""
        interval = self.problem.observations.seq_interval
        return int(frame) + (0 if interval is None else int(interval[sequence, 0]))

    def of(self, sequence: int) -> str:
        """Words that name a sub-sequence, if there are several."""
        several = self.problem.batch > 1 or self.earlier or self.before
        return f" of sub-sequence {self.number(sequence) + 1}" if several else ""


def body_length(body: BodyModel, betas: Tensor) -> Tensor:
    """Distance (B,) [m] from the head joint to the middle of the feet of the rest pose, for shapes (B, 16)."""
    joints = body.rest_joints(betas)
    return (joints[:, _HEAD] - joints[:, list(_FEET)].mean(1)).norm(dim=-1)


def level_of(value: float, bound: float) -> str:
    """``good`` up to a bound, ``warn`` up to twice the bound, ``bad`` above."""
    return "good" if value <= bound else "warn" if value <= 2 * bound else "bad"


def place(values: Tensor) -> tuple[int, int]:
    """Sub-sequence and frame of the largest of (B, T) values; NaN counts as the smallest."""
    flat = torch.nan_to_num(values, nan=-torch.inf).flatten()
    b, frame = divmod(int(flat.argmax()), values.shape[1])
    return b, frame


Causes = Iterator[Cause]
