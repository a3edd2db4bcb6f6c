"""Which clips a folder holds: names, folders of their own, patterns, shards, and what does not suit a clip."""

from __future__ import annotations

import numpy as np
import pytest

from optim.batch.jobs import chosen, jobs_of, shard_of
from optim.common.errors import InputError
from tests.motions import write_walk
from tests.videos import grey_frames, write_video


@pytest.fixture
def folder(tmp_path):
    """Motions in folders, a shape that is no motion, a video, and files that are no data."""
    clips = tmp_path / "clips"
    for name in ("01/walk_poses", "01/run_poses", "02/walk_poses", "01_walk"):
        path = (clips / name).with_suffix(".npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_walk(path, frames=20)
    np.savez(clips / "01" / "shape.npz", betas=np.zeros(16))
    write_video(clips / "film.mp4", grey_frames(5), fps=30)
    (clips / "notes.txt").write_text("nothing to fit")
    (clips / ".hidden.npz").write_bytes(b"PK")
    return clips


def names(jobs):
    return [job.name for job in jobs]


def test_every_clip_of_every_kind_is_found(folder, tmp_path):
    jobs = jobs_of(folder, tmp_path / "out", [])
    assert names(jobs) == ["01/run_poses", "01/walk_poses", "01_walk", "02/walk_poses", "film"]
    assert {job.settings.kind for job in jobs} == {"AMASS", "RGB"}
    assert all(job.settings.headless and job.settings.no_video and job.settings.out == job.folder for job in jobs)


def test_each_clip_has_a_folder_of_its_own(folder, tmp_path):
    """Also two clips that would have the same name."""
    folders = [job.folder for job in jobs_of(folder, tmp_path / "out", [])]
    assert [place.name for place in folders] == ["01_run", "01_walk", "01_walk-2", "02_walk", "film"]
    assert all(place.parent == tmp_path / "out" for place in folders)


def test_flags_are_those_of_a_fit(folder, tmp_path):
    jobs = jobs_of(folder, tmp_path / "out", ["--preset", "direct", "--seed", "3"])
    assert {(job.settings.preset, job.settings.seed) for job in jobs} == {("direct", 3)}


def test_a_clip_that_the_flags_do_not_suit_has_a_message(folder, tmp_path):
    jobs = {job.name: job for job in jobs_of(folder, tmp_path / "out", ["--amass-noise-std", "0.02"])}
    assert jobs["film"].settings is None and "--amass-noise-std" in jobs["film"].problem
    assert jobs["01_walk"].settings.amass_noise_std == 0.02


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--presett", "direct"], "unknown flag --presett"),
        (["--record", "a.humorscope"], "--record: it is for a single fit"),
        (["--list-clips"], "--list-clips: it is for a single fit"),
    ],
)
def test_flags_that_suit_no_batch_are_refused(folder, tmp_path, flags, told):
    with pytest.raises(InputError, match=told):
        jobs_of(folder, tmp_path / "out", flags)


def test_a_folder_without_clips_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no clip in it"):
        jobs_of(tmp_path / "empty", tmp_path / "out", [])
    with pytest.raises(InputError, match="no such folder"):
        jobs_of(folder / "film.mp4", tmp_path / "out", [])


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([], ["01/run_poses", "01/walk_poses", "01_walk", "02/walk_poses", "film"]),
        (["01/*"], ["01/run_poses", "01/walk_poses"]),
        (["film", "02/walk"], ["02/walk_poses", "film"]),
        (["walk_poses"], ["01/walk_poses", "02/walk_poses"]),
    ],
)
def test_patterns_choose_clips(folder, tmp_path, patterns, found):
    assert names(chosen(jobs_of(folder, tmp_path / "out", []), patterns)) == found


def test_a_pattern_without_a_clip_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"--clips jump\*: matches no clip; there are 01/run_poses"):
        chosen(jobs_of(folder, tmp_path / "out", []), ["film", "jump*"])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_shards_together_are_the_whole(folder, tmp_path, count):
    jobs = jobs_of(folder, tmp_path / "out", [])
    parts = [shard_of(jobs, f"{number}/{count}") for number in range(1, count + 1)]
    assert sorted(job.name for part in parts for job in part) == sorted(names(jobs))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("shard", ["0/4", "5/4", "4", "a/b", "1/0", "-1/4"])
def test_a_wrong_shard_is_refused(folder, tmp_path, shard):
    with pytest.raises(InputError, match="I/N"):
        shard_of(jobs_of(folder, tmp_path / "out", []), shard)
