"""The strip of pictures: cut to the person, one row a stage, refused without a video."""

from __future__ import annotations

import numpy as np

from viewer.commands.strip import _joined, _part_with_the_person, main


def test_the_cut_holds_every_keypoint_that_is_seen():
    keypoints = np.zeros((1, 3, 25, 3), np.float32)
    keypoints[0, 0, :2] = [(600, 200, 1), (700, 500, 1)]
    keypoints[0, 2, 5] = (800, 300, 0.5)
    rows, columns, _ = _part_with_the_person(keypoints, 0.5, (640, 360))
    margin = 0.12 * 150
    assert rows.start == int(100 - margin) and rows.stop == int(250 + margin)
    assert columns.start == int(300 - margin) and columns.stop == int(400 + margin)


def test_pictures_stand_side_by_side_and_rows_below_each_other():
    one, two = np.zeros((10, 7, 3), np.uint8), np.full((10, 5, 3), 9, np.uint8)
    row = _joined([one, two], axis=1)
    assert row.shape == (10, 7 + 4 + 5, 3) and row[0, 8].tolist() == [255] * 3
    assert _joined([row, row], axis=0).shape == (24, 16, 3)


def test_without_a_video_there_is_nothing_to_draw_over(tmp_path, capsys, model_files):
    status = main([str(tmp_path / "a.png"), *model_files.flags(), "--num-iters", "1", "0", "0"])
    assert status == 2 and "--data-path VIDEO" in capsys.readouterr().err
    assert main([str(tmp_path / "a.png"), "--person", "2"]) == 2
    assert not (tmp_path / "a.png").exists()


def test_a_name_of_no_picture_is_refused_before_the_fit(tmp_path, capsys):
    assert main([str(tmp_path / "a.txt")]) == 2
    assert "a.txt: no kind of picture by its ending; give a name that ends in .png or .jpg" in capsys.readouterr().err
