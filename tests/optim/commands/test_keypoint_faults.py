"""The measurement of keypoints that contradict each other: no false alarms, faults that are found, and its tables."""

from __future__ import annotations

import json

import pytest

from optim.commands.keypoint_faults import PAGE, fits_table, main
from optim.common.errors import InputError
from optim.evaluation.keypoint_faults import Errors
from tests.motions import write_walk


def test_tables_are_written_between_the_marks_of_a_page(tmp_path):
    write_walk(tmp_path / "walk_poses.npz")
    index = {"clips": [{"file": "walk_poses.npz", "split": "val"}]}
    (tmp_path / "index.json").write_text(json.dumps(index))
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["--data", str(tmp_path), "--frames", "30", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    found = text.partition("val found: begin -->")[2].partition("<!--")[0]
    assert found.count("0 of 1 |") == 3, "nothing of a made-up walk is doubted at any noise"
    assert "| one leg |" in found and "| all exchanged |" in found
    with pytest.raises(InputError, match="no clip of 300 frames"):
        main.__wrapped__(["--data", str(tmp_path), "--frames", "300", "--page", str(page)])


def test_errors_are_means_over_the_fits_of_a_fault():
    rows = [Errors("jump", {2: (6.0, 4.0)}), Errors("jump", {2: (8.0, 5.0)}), Errors("one leg", {2: (9.0, 3.0)})]
    assert fits_table(rows).splitlines()[2:] == ["| jump | 2 | 7.00 | 4.50 |", "| one leg | 1 | 9.00 | 3.00 |"]
