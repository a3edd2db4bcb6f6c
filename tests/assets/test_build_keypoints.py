"""Taking BlazePose's networks out of their package: the shipped files are what comes out, anything else is refused."""

from __future__ import annotations

import io
import tarfile

import pytest

import assets
from assets.build.keypoints import ARCHIVE, MEMBERS, main, unpack
from optim.common.errors import InputError


def package(contents):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture(scope="module")
def shipped():
    """The package as it would have to be for the shipped files to come out of it."""
    return {member: (assets.KEYPOINTS_FOLDER / name).read_bytes() for member, (name, _) in MEMBERS.items()}


def test_the_shipped_files_come_out_again(shipped, tmp_path, capsys):
    (tmp_path / ARCHIVE).write_bytes(package(shipped))
    assert main(["--source", str(tmp_path / ARCHIVE), "--out", str(tmp_path / "out")]) == 0
    for member, (name, digest) in MEMBERS.items():
        assert assets.sha256(tmp_path / "out" / name) == digest == assets.recorded_hashes()[f"keypoints/{name}"]
        assert (tmp_path / "out" / name).read_bytes() == shipped[member]
    assert "27709200 bytes" in capsys.readouterr().out


def test_another_network_is_refused(shipped):
    changed = {name: content[:-1] + b"?" for name, content in shipped.items()}
    with pytest.raises(InputError, match="is not the version that this program is tested with"):
        unpack(package(changed))


@pytest.mark.parametrize("content", [b"no archive", package({"package/other": b""})], ids=["no archive", "another"])
def test_another_file_is_refused(content):
    with pytest.raises(InputError, match="not the npm package"):
        unpack(content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file; `npm pack"):
        main(["--source", str(tmp_path / "no.tgz")])


def test_the_licence_goes_along():
    assert "Apache License" in (assets.KEYPOINTS_FOLDER / "LICENSE").read_text()
    assert "keypoints/*.tflite" in (assets.ASSETS_FOLDER / "NOTICE").read_text()
