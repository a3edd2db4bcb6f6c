"""What run files call things: nothing of a class is forgotten, and renaming in the code does not change a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass

import pytest

from optim.recording.forms import FORMS
from optim.recording.runfile import RunFile
from optim.recording.values import Form, Values, form
from viewer.protocol import findings
from viewer.protocol import view_model as vm
from viewer.worker.stored import DETAILS, forms

OTHERWISE = {
    "version", "obeyed", "status", "current", "shown", "motion", "phases", "weights", "raw", "weighted", "held",
    "history", "can_undo", "can_redo", "breakpoints", "caught", "times", "regressed", "up", "analyses", "scene",
    "about", "compared", "live", "tuning",
}  # fmt: skip
"""Fields of a view that belong to the window, or are written in columns, blocks or ``Setup``."""


@pytest.mark.parametrize("known", [*forms(), *FORMS], ids=lambda known: known.name)
def test_every_field_is_written(known: Form):
    """A field that is added to a class needs a name in the file; one that is renamed keeps the name that it has."""
    assert set(known.stored) == {field.name for field in fields(known.kind)}
    assert len(set(known.stored.values())) == len(known.stored)


def test_every_answer_can_be_written():
    kinds = {kind for kind in vars(findings).values() if isinstance(kind, type) and is_dataclass(kind)}
    assert kinds <= {known.kind for known in forms()}


def test_every_field_of_a_view_is_written_or_is_known_not_to_be():
    assert set(DETAILS.values()) | OTHERWISE == {field.name for field in fields(vm.ViewModel)}
    assert not set(DETAILS.values()) & OTHERWISE


@dataclass(frozen=True)
class Before:
    """A class as it was."""

    size: int
    of: Mapping[str, float]


@dataclass(frozen=True)
class After:
    """The same, renamed, with a field more."""

    extent: int
    of: Mapping[str, float]
    colour: str = "grey"


def test_a_class_and_its_fields_can_be_renamed(tmp_path):
    file = RunFile(tmp_path / "run.humorscope", mode="new")
    text = Values(file, [form(Before, "Thing", "size of")]).encode(Before(3, {"a": 0.5}))
    renamed = form(After, "Thing", "size:extent of colour")
    assert Values(file, [renamed]).decode(text) == After(3, {"a": 0.5})
    assert next(field.default for field in fields(After) if field.name == "colour") is not MISSING
