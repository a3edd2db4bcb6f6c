"""The table of hashes holds for the files as they are, and names those that are missing, changed or new."""

import pytest

import assets
from assets.build import __main__ as build
from assets.build.hashes import write_hashes


@pytest.fixture
def other_assets(tmp_path, monkeypatch):
    """A small assets folder with a correct table."""
    folder = tmp_path / "assets"
    (folder / "body").mkdir(parents=True)
    (folder / "body" / "a.npz").write_bytes(b"a")
    (folder / "body" / "b.npz").write_bytes(b"b")
    monkeypatch.setattr(assets, "ASSETS_FOLDER", folder)
    monkeypatch.setattr(assets, "ASSET_FOLDERS", (folder / "body", folder / "not-there"))
    monkeypatch.setattr(assets, "HASH_FILE", folder / "SHA256SUMS")
    assert write_hashes() == 2
    return folder


def test_shipped_files_are_the_recorded_ones():
    assert assets.verify() == []


def test_body_is_the_one_that_the_motions_were_retargeted_to():
    assert assets.sha256(assets.BODY_FILE) == "3751ca7d8d797424317e1d52a156f46b39a74b92b8060f44a84c06d71f3260f4"


def test_shipped_files_stay_small():
    assert sum(path.stat().st_size for path in assets.files()) < 60e6


def test_a_written_table_holds(other_assets):
    assert assets.verify() == []
    assert set(assets.recorded_hashes()) == {"body/a.npz", "body/b.npz"}


def test_missing_changed_and_new_files_are_named(other_assets):
    (other_assets / "body" / "a.npz").write_bytes(b"changed")
    (other_assets / "body" / "b.npz").unlink()
    (other_assets / "body" / "c.npz").write_bytes(b"c")
    problems = "\n".join(assets.verify())
    assert "assets/body/a.npz: differs" in problems
    assert "assets/body/b.npz: missing" in problems
    assert "assets/body/c.npz: not in" in problems


def test_unknown_builder_lists_the_known_ones(capsys):
    assert build.main(["nothing"]) == 2
    assert "body" in capsys.readouterr().err
