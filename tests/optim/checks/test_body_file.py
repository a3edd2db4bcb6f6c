"""The model of a file's body decides whether its betas are used, and nothing of it is left unsaid."""

from __future__ import annotations

import numpy as np
import pytest

from optim.common.errors import InputError
from optim.loading.files.amass import read_motion
from tests.motions import walk_arrays


def read(path, width=156, **changes):
    arrays = walk_arrays() | {"betas": np.arange(1.0, 17)} | changes
    arrays["poses"] = np.pad(arrays["poses"], ((0, 0), (0, 9)))[:, :width]
    np.savez(path / "a.npz", **{name: value for name, value in arrays.items() if value is not None})
    motion = read_motion(path / "a.npz")
    return motion, {row.check: row for row in motion.checked}


@pytest.mark.parametrize(
    ("width", "name", "model", "used"),
    [
        (156, None, "SMPL+H", True),
        (72, None, "SMPL", True),
        (165, None, "SMPL-X", False),
        (165, "smplx", "SMPL-X", False),
        (156, "SMPL-H", "SMPL+H", True),
        (156, "smpl_x", "SMPL-X", False),
        (156, "mano", "mano", False),
    ],
)
def test_betas_of_another_model_are_not_used(tmp_path, caplog, width, name, model, used):
    motion, rows = read(tmp_path, width, surface_model_type=None if name is None else np.array(name))
    assert model in rows["body model"].seen
    assert motion.betas.any() == used and (rows["body model"].severity == "fine") == used
    assert ("these betas mean another body" in caplog.text) != used


def test_a_mean_shape_of_another_model_is_fine(tmp_path):
    motion, rows = read(tmp_path, 165, betas=np.zeros(300))
    assert rows["body model"].severity == "fine" and not motion.betas.any()


def test_more_betas_than_are_used_are_told(tmp_path):
    motion, rows = read(tmp_path, betas=np.ones(300))
    assert rows["number of betas"].severity == "note" and motion.betas.tolist() == [1.0] * 16


@pytest.mark.parametrize(("gender", "severity"), [("female", "fine"), ("other", "note"), (None, None)])
def test_an_unknown_gender_is_told(tmp_path, gender, severity):
    motion, rows = read(tmp_path, gender=None if gender is None else np.array(gender))
    assert motion.gender == (gender if severity == "fine" else "neutral")
    assert ("gender" in rows) == (severity is not None) and (severity is None or rows["gender"].severity == severity)


def test_the_shape_of_a_subject_is_no_motion(tmp_path):
    np.savez(tmp_path / "female_stagei.npz", gender=np.array("female"), betas=np.zeros(16))
    with pytest.raises(InputError, match=r"the shape of a subject .* give a \*_poses.npz"):
        read_motion(tmp_path / "female_stagei.npz")


@pytest.mark.parametrize("betas", [np.zeros((0, 16)), np.zeros(0), np.zeros((40, 10))])
def test_empty_and_repeated_betas(tmp_path, betas):
    assert not read(tmp_path, betas=betas)[0].betas.any() if betas.size else True
