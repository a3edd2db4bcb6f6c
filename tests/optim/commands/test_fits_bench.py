"""The table of whole fits under several presets, from files as an evaluation writes them."""

from __future__ import annotations

import pytest

from optim.commands.bench import fits
from optim.common.errors import InputError
from optim.evaluation.tables import append_rows


def write(folder, protocol, preset, clip, *stages):
    """Add a clip's rows: total evaluations, total seconds, loss and error of the joints after each stage."""
    rows = [
        {
            "clip": clip,
            "stage": f"stage{number}",
            "evaluations": evaluations,
            "processor_s": seconds,
            "loss": loss,
            "joints_all": joints,
            "joints_root_aligned": joints / 2,
        }
        for number, (evaluations, seconds, loss, joints) in enumerate(stages, start=1)
    ]
    append_rows(folder / f"{protocol}-{preset}.csv", rows)


def test_costs_are_told_for_each_stage_and_means_of_shared_clips(tmp_path):
    write(tmp_path, "noisy", "fast", "a", (5, 0.1, 9.0, 5.0), (16, 1.1, 8.0, 4.0), (100, 7.0, 2.5, 2.0))
    write(tmp_path, "noisy", "fast", "b", (7, 0.3, 9.0, 5.0), (18, 1.3, 8.0, 6.0), (120, 9.0, 3.5, 4.0))
    write(tmp_path, "noisy", "direct", "a", (30, 0.5, 9.0, 5.0), (400, 4.5, 8.0, 4.0), (800, 20.0, 2.6, 2.0))
    write(tmp_path, "images", "fast", "a", (30, 0.5, 9.0, 5.0), (60, 2.5, 8.0, 4.0), (300, 20.0, -9.0, 2.0))
    lines = fits.table(tmp_path).splitlines()
    assert "| a | fast | 5 + 11 + 84 | 0.1 + 1.0 + 5.9 = 7.0 | 9; 8; 2.5 | 4.00; 2.00 | 2.00; 1.00 |" in lines
    assert "| a | direct | 30 + 370 + 400 | 0.5 + 4.0 + 15.5 = 20.0 | 9; 8; 2.6 | 4.00; 2.00 | 2.00; 1.00 |" in lines
    assert "Protocol images:" in lines
    assert [line[:23] for line in lines if "mean" in line] == ["| mean of 2 clips | fas"], "the other has one clip"
    write(tmp_path, "noisy", "direct", "b", (30, 0.5, 9.0, 5.0), (400, 4.5, 8.0, 4.0), (1000, 30.0, 3.6, 4.0))
    (mean,) = (line for line in fits.table(tmp_path).splitlines() if line.startswith("| mean of 2 clips | direct"))
    assert mean == (
        "| mean of 2 clips | direct | 30 + 370 + 500 | 0.5 + 4.0 + 20.5 = 25.0 | 9; 8; 3.1 | 4.00; 3.00 | 2.00; 1.50 |"
    )


def test_a_folder_without_fits_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="--data"):
        fits.table(tmp_path)
