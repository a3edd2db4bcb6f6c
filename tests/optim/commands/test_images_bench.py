"""The table of fits before made-up cameras, from files as an evaluation writes them."""

from __future__ import annotations

import pytest

from optim.commands.bench import images
from optim.common.errors import InputError
from optim.evaluation.tables import append_rows

FIGURES = ("joints_all", "joints_root_aligned", "foot_skate_mm", "acceleration", "mesh_penetration_mean_cm")


def write(folder, preset, clip, *, before, after, tilt, truth=6.0):
    """Add a clip whose figures are all one number after stage 2, and one after stage 3."""
    rows = [
        {"clip": clip, "stage": stage, "evaluations": 10 * value, "processor_s": value}
        | dict.fromkeys(FIGURES, value)
        | {"floor_tilt_deg": tilt, "acceleration_of_truth": truth}
        for stage, value in (("stage2", before), ("stage3", after))
    ]
    append_rows(folder / f"images-{preset}.csv", rows)


def test_a_preset_has_means_and_medians_over_the_clips_that_all_have(tmp_path):
    for clip, after, tilt in (("a", 1.0, 1.0), ("b", 2.0, 2.0), ("c", 6.0, 9.0)):
        write(tmp_path, "fast", clip, before=4.0, after=after, tilt=tilt)
        write(tmp_path, "humorscope", clip, before=4.0, after=3.0, tilt=2.0)
    write(tmp_path, "fast", "only one has it", before=100.0, after=100.0, tilt=45.0, truth=99.0)
    lines = images.table(tmp_path).splitlines()
    assert lines[0] == "Protocol images, 3 clips:"
    (fast,) = (line for line in lines if line.startswith("| `fast` |"))
    assert fast.count("4.00 → 3.00") == 4 and fast.count("4.00 → 2.00") == 2
    assert "2.0°; 9.0°" in fast and "30; 3.0" in fast
    assert any(line.startswith("| truth |") and "6.00" in line for line in lines)


def test_a_folder_without_images_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="--data"):
        images.table(tmp_path)
