"""The field guide: every failure can be started, its mistake is in the data, and its part of the page is there."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import numpy as np
import pytest

from optim.config.settings import parse
from tests.imports import ROOT

MOST_BYTES = 3_000_000


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_guide", ROOT / "docs" / "guide.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


guide = load()
PAGE = guide.PAGE.read_text(encoding="utf-8")


@pytest.fixture
def clips(monkeypatch, tmp_path):
    monkeypatch.setattr(guide, "ROOT", tmp_path)
    monkeypatch.setattr(guide, "CLIPS", tmp_path / "guide")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", guide.FAILURES)
def test_a_failure_and_its_cure_are_fits_that_can_begin(clips, name):
    for mended in (False, True):
        settings = parse([*guide.FAST.split(), *guide.arguments(name, mended=mended)])
        assert settings.data == "default_walk_turn" or settings.data == "getup" or name in settings.data
    assert guide.arguments(name) != guide.arguments(name, mended=True)


@pytest.mark.parametrize("name", [name for name, failure in guide.FAILURES.items() if failure.spoil])
def test_the_mistake_is_in_what_is_observed(clips, name):
    with (
        np.load(guide.write_clip(name)) as spoiled,
        np.load(ROOT / "assets" / "demo" / "default_walk_turn.npz") as whole,
    ):
        changed = {key for key in whole.files if not np.array_equal(whole[key], spoiled[key])}
    assert changed & {"joints3d", "joints2d", "camera_matrix", "floor_plane"}
    assert name == "rate" or "trans" not in changed, "the truth stays"


@pytest.mark.parametrize("name", guide.FAILURES)
def test_the_page_has_its_command_picture_words_and_figures(name):
    (part,) = re.findall(f"<!-- {name} -->(.*?)<!-- end of {name} -->", PAGE, flags=re.DOTALL)
    assert f"docs/guide.py {name}" in part and guide.FAILURES[name].flags in part
    assert (guide.IMAGES / f"{name}.jpg").is_file() and f"images/guide/{name}.jpg" in part
    assert "*Why?*" in part and "| | this fit | cause removed |" in part


def test_the_pictures_are_small():
    assert sum(path.stat().st_size for path in guide.IMAGES.iterdir()) < MOST_BYTES


def test_text_is_put_between_its_marks_only():
    page = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n<!-- y -->\nkept\n<!-- end of y -->\n"
    assert guide.put(page, "x", r"new \1") == page.replace("old", r"new \1")
    with pytest.raises(SystemExit, match="marks"):
        guide.put(page, "z", "")
