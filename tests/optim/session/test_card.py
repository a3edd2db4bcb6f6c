"""What a notebook shows of a session: every term with its unit, and figures that stand where the body stands."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from optim.schedule.stages import schedule
from optim.session.card import SHOWN, UNITS
from optim.session.edits import SkipPhase
from optim.session.session import Session
from tests import fakes


def session_of(*modalities: str, frames: int = 9, kind: str = "3d", batch: int = 1) -> Session:
    phases = schedule("humorscope", kind, num_iters=(1, 1, 1), lbfgs_max_iter=2)
    return Session(fakes.problem(*modalities, frames=frames, batch=batch), schedule=phases)


class Cells(HTMLParser):
    """Rows of a table as lists of texts; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_every_term_is_told_with_its_value_unit_and_weight():
    session = session_of()
    session.step_iteration()
    text, here = session._repr_html_(), session.current
    head, total, *rows = Cells(text).rows
    assert head == ["loss term", "raw", "unit", "weight", "weighted"]
    assert float(total[-1]) == pytest.approx(here.evaluation.total, rel=1e-3)
    assert [row[0].replace(" ", "_") for row in rows] == list(here.evaluation.terms)
    for name, raw, unit, weight, weighted in rows:
        term = name.replace(" ", "_")
        value = here.evaluation.terms[term]
        assert unit == UNITS[term]
        assert [float(raw), float(weighted)] == pytest.approx([value.raw, value.weighted], rel=1e-3)
        assert float(weight) == pytest.approx(session.schedule[0].weight(term), rel=1e-3)
    assert "phase stage 1" in text and "9 frames" in text


@pytest.mark.parametrize(("frames", "drawn"), [(4, 4), (SHOWN, SHOWN), (30, SHOWN)])
def test_some_frames_are_drawn_with_all_their_bones(frames, drawn):
    tags = Cells(text := session_of(frames=frames)._repr_html_())
    assert tags.tags.count("path") == drawn
    assert all(path.count("L") == 21 for path in re.findall(r'd="([^"]+)"', text))
    assert tags.tags.count("circle") == 22 * drawn, "every observed joint is a dot"


def test_a_joint_that_was_not_seen_is_not_drawn_and_nothing_is_not_a_number():
    made = fakes.problem(frames=4)
    hidden = fakes.hide(made.observations.joints3d, (0, 1, slice(5)))
    made = replace(made, observations=replace(made.observations, joints3d=hidden))
    session = Session(made, schedule=schedule("humorscope", "3d", num_iters=(1, 1, 1), lbfgs_max_iter=2))
    text = session._repr_html_()
    assert Cells(text).tags.count("circle") == 22 * 4 - 5
    assert "nan" not in text and "inf" not in text


def test_what_a_camera_saw_stands_upright_on_its_floor():
    session = session_of("joints2d", kind="rgb")
    session.finish_stage()
    text = session._repr_html_()
    height = float(re.search(r'viewBox="0 0 \d+ (\d+)"', text)[1])
    spots = [float(y) for path in re.findall(r'd="([^"]+)"', text) for y in re.findall(r",([-\d.]+)", path)]
    assert min(spots) > 0 and max(spots) < height
    assert "circle" not in Cells(text).tags, "keypoints have no place in space"


def test_sub_sequences_and_stage_3_are_shown():
    session = session_of(batch=2, frames=5)
    assert "5 frames × 2 sub-sequences" in session._repr_html_()
    session.apply(SkipPhase())
    session.apply(SkipPhase())
    text = session._repr_html_()
    assert "phase stage 3" in text and "motion prior" in text


def test_a_name_from_a_file_cannot_inject_markup():
    made = session_of(frames=4)
    object.__setattr__(made.problem, "name", "<script>alert(1)</script>")
    assert "<script>" not in made._repr_html_()
