"""The export tab writes what is ticked, where it is told to; what cannot be written is a message."""

from __future__ import annotations

from viewer.panels.program.export import BONES, FORMATS


def opened(open_fit):
    window = open_fit()
    window.app.ui.tabs["losses"] = "export"
    window.frames(3)
    return window


def test_what_is_ticked_is_written(open_fit, tmp_path):
    window = opened(open_fit)
    window.click("bvh")
    window.click("json")
    window.app.ui.export_folder = str(tmp_path / "mine")
    window.frames(2)
    window.click("Export")
    window.frames(4)
    assert sorted({path.suffix for path in (tmp_path / "mine").iterdir()}) == [".bvh", ".glb", ".json"]
    assert any("Written" in note.text for note in window.app.ui.notes)


def test_a_mesh_is_that_of_the_frame_shown(open_fit, tmp_path):
    window = opened(open_fit)
    window.click("gltf")  # it was ticked
    window.click("obj")
    window.app.ui.frame, window.app.ui.export_folder = 5, str(tmp_path)
    window.frames(2)
    window.click("Export")
    window.frames(4)
    (path,) = tmp_path.iterdir()
    assert path.name.endswith("_0005.obj")


def test_names_of_bones_and_scale_are_those_chosen(open_fit, tmp_path):
    window = opened(open_fit)
    window.click("bvh")
    window.click("unreal")
    window.enter_number("export scale", "100")
    window.app.ui.export_folder = str(tmp_path)
    window.frames(2)
    window.click("Export")
    window.frames(4)
    (path,) = tmp_path.glob("*.bvh")
    text = path.read_text()
    assert "JOINT thigh_l" in text and "left_hip" not in text
    offsets = [[float(x) for x in line.split()[1:]] for line in text.splitlines() if "OFFSET" in line]
    assert max(abs(x) for offset in offsets for x in offset) > 10  # centimetres


def test_a_scale_of_nothing_is_not_taken(open_fit):
    window = opened(open_fit)
    window.enter_number("export scale", "0")
    assert window.app.ui.export_scale == 1.0


def test_a_folder_that_cannot_be_is_told(open_fit, tmp_path):
    window = opened(open_fit)
    (tmp_path / "file").write_text("")
    window.app.ui.export_folder = str(tmp_path / "file" / "below")
    window.frames(2)
    window.click("Export")
    window.frames(4)
    assert any(str(tmp_path / "file") in note.text for note in window.app.ui.notes if note.level != "info")
    assert window.view.status.state == "paused"


def test_every_format_of_the_program_is_offered():
    from optim.config.formats import FORMATS as KNOWN

    assert set(FORMATS) == {*KNOWN, "humor"}


def test_every_naming_of_bones_is_offered():
    from optim.config.formats import BONES as KNOWN

    assert tuple(BONES) == KNOWN
