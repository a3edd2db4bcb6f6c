"""The command that compares a split fit with an unsplit one: what it prints, and what it refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest

from optim.commands import split_timing
from optim.diagnostics.agreement import reprojection
from optim.diagnostics.ground import ground
from optim.schedule.stages import schedule
from optim.split.batches import BatchedFit
from optim.split.splitting import split_frames
from tests import fakes
from tests.motions import write_walk

SHORT = ["--num-iters", "1", "1", "1", "--lbfgs-max-iter", "2", "--stage3-no-tune-init-state"]


def test_both_ways_are_fitted_and_printed(model_files, tmp_path, capsys):
    motion = write_walk(tmp_path / "walk.npz", frames=30)
    words = ["--data", str(motion), "--seq-len", "14", "--overlap", "4", "--batch-size", "2", *SHORT]
    assert split_timing.main([*words, *model_files.flags()]) == 0
    output, errors = capsys.readouterr()
    lines = {line[:20].strip(): line[20:].split() for line in output.splitlines()}
    assert output.startswith("30 frames as 3 sub-sequences of 13, overlapping by 4 to 5")
    for name in ("seconds", "joint error [cm]", "root-relative [cm]"):
        assert len(lines[name]) == 2 and all(float(cell) > 0 for cell in lines[name])
    whole, parts = (int(cell) for cell in lines["evaluations"])
    assert lines["frames evaluated"][0] == str(30 * whole)
    assert parts > 0 and output.count("seam at frame") == 2
    seams = re.findall(r"hard cut jumps by ([\d.]+) cm, .* this motion by ([\d.]+) cm", output)
    assert len(seams) == 2 and all(float(after) < float(before) for before, after in seams)
    assert "split, batch 2 of 2" in errors


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--seq-len 60", "one sub-sequence"),
        ("--seq-len 10 --overlap 10", "--rgb-overlap-len 10"),
        ("--seq-len ten", "invalid int value"),
        ("--seq-len 10 --overlap 2 --observations joints2d", "it can be joints3d"),
    ],
)
def test_bad_input_is_one_line_and_status_2(model_files, tmp_path, capsys, words, told):
    motion = write_walk(tmp_path / "walk.npz", frames=20)
    status = split_timing.main(["--data-path", str(motion), *words.split(), *model_files.flags()])
    output, errors = capsys.readouterr()
    assert status == 2 and output == "" and errors.startswith("error: ") and told in errors
    assert len(errors.splitlines()) == 1


def test_figures_of_a_motion_in_one_piece_are_those_of_the_diagnostics():
    """Frame by frame with its own shape, as a stitched motion has it, against the sub-sequence as a whole."""
    problem = fakes.problem("joints2d", frames=8)
    fit = BatchedFit(
        problem,
        split_frames(8, length=8, overlap=0),
        schedule=schedule("humorscope", "rgb", num_iters=(2, 1, 1), lbfgs_max_iter=3),
    )
    fit.session.run()
    motion, seen = fit.stitched(), reprojection(fit.session.fit)
    # torch's median is the lower of the two middle ones
    wanted = np.sort(seen.error_px[seen.used])[(seen.used.sum() - 1) // 2]
    assert split_timing.reprojection_px(motion, problem) == pytest.approx(wanted, rel=1e-3)
    feet = ground(fit.session.fit, mesh=False)
    assert split_timing.skate_mm(motion, problem) >= 0
    assert (split_timing.skate_mm(motion, problem) > 0) == bool(np.isfinite(feet.skate_mm).any())
