"""The report: one page with everything on it and nothing fetched; pictures, or why there are none."""

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

import assets
from optim.commands.export import main as export_main
from optim.commands.report import main
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.diagnostics.quantities import QUANTITIES
from optim.loading.problem import load_session
from optim.recording.recording import recorded_session
from optim.reporting import stills
from optim.reporting.comparing import differences, pair_up
from optim.reporting.page import page
from optim.results.read_results import read_result
from optim.results.results import loss_rows
from optim.results.saving.humor_results import save_results
from optim.results.saving.run_record import run_info, write_record
from tests.motions import write_demo

SHORT = ["--lbfgs-max-iter", "2", "--num-iters", "2", "2", "3"]


@pytest.fixture(scope="module")
def place(model_files, tmp_path_factory):
    """Results of a short run through a camera."""
    folder = tmp_path_factory.mktemp("run")
    clip = write_demo(folder / "clip.npz", frames=18)
    settings = parse([*model_files.flags(), *SHORT, "--data", str(clip), "--observations", "joints2d"])
    session = load_session(settings)
    session.run()
    (place,) = save_results(session, folder / "results_out", body_file=assets.BODY_FILE)
    write_record([place], run_info(settings, session, seconds=3.0), losses=loss_rows(session.fit))
    return place


class Outline(HTMLParser):
    """Headings, cells of tables, and whatever would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.cells, self.fetched, self._open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href") and value and not value.startswith(("data:", "#")):
                self.fetched.append(value)
        self._open.append(tag)

    def handle_data(self, data):
        tag = self._open[-1] if self._open else ""
        if tag in ("h1", "h2", "h3"):
            self.headings.append(data)
        if tag == "td":
            self.cells.append(data)


def test_the_page_has_its_sections_and_fetches_nothing(place, tmp_path, capsys):
    assert main([str(place), "--no-pictures", "--out", str(tmp_path / "a b.html")]) == 0
    text = (tmp_path / "a b.html").read_text(encoding="utf-8")
    outline = Outline(text)
    wanted = ["Losses", "Figures", "Frame by frame", "Drift at the start of stage 3", "Floor", "Settings", "Versions"]
    assert [h for h in outline.headings if h in wanted] == wanted
    assert outline.fetched == [] and "http" not in re.sub(r"<svg.*?</svg>", "", text)
    assert "num_iters" in outline.cells and "torch" in outline.cells
    assert capsys.readouterr().out.strip().endswith("a b.html")


def test_the_numbers_are_those_of_the_results(place):
    result = read_result(place)
    text = page([result], title="x", pictures=False)
    error = _joint_error(result)
    row = re.search(r"joints, mean error \[cm\]</td>(.*?)</tr>", text).group(1)
    shown = [float(cell) for cell in re.findall(r">([\d.]+)<", row)]
    assert shown[-1] == pytest.approx(error, rel=1e-2) and len(shown) == 4
    last = result.losses[-1]["total"]
    totals = re.search(r"<td>total</td>(.*?)</tr>", text).group(1)
    assert float(re.findall(r">(-?[\d.]+)<", totals)[-1]) == pytest.approx(last, rel=1e-2)


def test_several_clips_are_one_page(place):
    result = read_result(place)
    other = replace(result, name="an <other>", losses=(), info={}, truth=None)
    text = page([result, other], title="two", pictures=False)
    assert "Mean of 2 clips" in text and "an &lt;other&gt;" in text and "an <other>" not in text
    assert "Not kept with these results" in text


def test_clips_of_one_name_keep_their_own_figures(place):
    result = read_result(place)
    aside = replace(result.truth, joints=result.truth.joints + torch.tensor([1.0, 0.0, 0.0]))
    text = page([result, replace(result, truth=aside)], title="two", pictures=False)
    rows = re.findall(r"joints, mean error \[cm\]</td>(.*?)</tr>", text)
    last = [float(re.findall(r">([\d.]+)<", row)[-1]) for row in rows]
    assert last[1] == pytest.approx(_joint_error(result), rel=1e-2) and last[2] > last[1]
    assert last[0] == pytest.approx((last[1] + last[2]) / 2, rel=1e-2)
    anchors = re.findall(r'<h2 id="([^"]+)"', text)
    assert re.findall(r'href="#([^"]+)"', text) == anchors and len(set(anchors)) == 2


def _joint_error(result):
    return float((result.motion().joints - result.truth.joints).norm(dim=-1).mean()) * 100


@pytest.mark.gui
def test_pictures_show_bodies_truth_and_floor(place):
    text = page([read_result(place)], title="x")
    coded = [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', text)]
    images = [cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int) for png in coded]
    assert len(images) == 4
    bluish = [((image[..., 2] - image[..., 0] > 15) & (image.min(-1) > 100)).mean() for image in images]
    skin = [((image[..., 0] - image[..., 2]) > 8).mean() for image in images]
    assert min(bluish) > 0.01 and min(skin) > 0.01
    assert np.abs(images[1] - images[3]).max() > 50  # stage 2 and stage 3


def test_without_drawing_the_page_says_why(place, monkeypatch):
    failed = subprocess.CompletedProcess([], 3, "", "libEGL.so.1: not there; install libegl1\n")
    monkeypatch.setattr(stills.subprocess, "run", lambda *_, **__: failed)
    text = page([read_result(place)], title="x")
    assert "No pictures: libEGL.so.1: not there; install libegl1." in text and "Figures" in text


def test_a_place_that_cannot_be_written_to_is_a_message(place, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(place), "--no-pictures", "--out", str(tmp_path / "file" / "page.html")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_no_results_are_a_message(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_recorded_run_has_a_report_and_exports(model_files, tmp_path, capsys):
    clip = write_demo(tmp_path / "clip.npz", frames=18)
    settings = parse([*model_files.flags(), *SHORT, "--data", str(clip)])
    session = load_session(settings)
    recording = recorded_session(session, path=tmp_path / "run.humorscope", settings=settings)
    session.finish_stage()
    session.step_iteration()
    session.step_iteration()
    recording.follow(session)
    recording.file.close()
    clip.unlink()  # the run holds its data
    assert main([str(tmp_path / "run.humorscope"), "--no-pictures"]) == 0
    assert "stopped before the end" in (tmp_path / "run.html").read_text(encoding="utf-8")
    assert export_main([str(tmp_path / "run.humorscope"), "--to", "csv", "--out", str(tmp_path / "x")]) == 0
    lines = (tmp_path / "x" / "clip_losses.csv").read_text().splitlines()
    assert len(lines) == len(session.history.path(session.current.id)) + 1


def test_two_runs_are_compared_in_every_frame_term_and_setting(place, tmp_path):
    """The second run is the first one with its last stage 4 cm to the side and another weight."""
    other = tmp_path / "other"
    shutil.copytree(place, other)
    with np.load(place / "stage3_results.npz") as arrays:
        moved = {**arrays}
    moved["trans"] = moved["trans"] + np.float32((0.04, 0.0, 0.0))
    np.savez(other / "stage3_results.npz", **moved)
    record = json.loads((place / "run.json").read_text())
    record["settings"]["seed"] = 7
    (other / "run.json").write_text(json.dumps(record))
    assert main([str(place), str(other), "--out", str(tmp_path / "both.html")]) == 0
    text = (tmp_path / "both.html").read_text(encoding="utf-8")
    outline = Outline(text)
    assert not outline.fetched
    assert outline.cells[:3] == ["seed", "0", "7"]
    found = differences(read_result(place), read_result(other))
    for name in ("between_joints_cm", "between_root_cm", "between_feet_cm"):
        np.testing.assert_allclose(found.values[name], 4.0, atol=1e-3)
        assert f"{QUANTITIES[name].label}: 4.0 cm in the mean, 4.0 cm at most" in text
    np.testing.assert_allclose(found.values["between_heading_deg"], 0.0, atol=1e-3)
    assert "frames 0 to 17, which both have" in text


def test_two_runs_without_a_common_clip_are_refused():
    names = ("a", "b", "c", "d")
    ours, theirs = ([SimpleNamespace(name=name) for name in part] for part in (names[:2], names[2:]))
    with pytest.raises(InputError, match="no clip in common: one has a, b, the other c, d"):
        pair_up(ours, theirs)
