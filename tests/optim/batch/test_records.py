"""What is known of a clip from its folder: finished with the same settings or others, failed, stopped, resumable."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from optim.batch.fitting import Work, fit_job
from optim.batch.records import Record, finished, keep, known, run_of
from optim.common.errors import InputError
from tests.optim.batch import batches


@pytest.fixture
def job(tmp_path):
    (one,) = batches.made_up(tmp_path, 1, "--seed", "3", "--joint3d-weight", "1", "2", "3")
    one.folder.mkdir(parents=True)
    return one


def test_nothing_is_known_of_a_clip_that_was_not_begun(job):
    assert known(job) == Record("waiting") and not finished(job) and run_of(job) == {}


def test_a_finished_clip_is_known_by_the_record_of_its_results(job):
    batches.quick(job.settings)
    assert finished(job) and known(job).state == "finished"


def test_other_settings_are_an_error_or_a_reason_to_fit_anew(job):
    batches.quick(job.settings)
    other = replace(job, settings=replace(job.settings, preset="direct"))
    with pytest.raises(InputError, match="--preset fast, not direct; give another --out, or --again"):
        finished(other)
    assert not finished(other, again=True)


def test_settings_of_one_run_make_no_difference(job):
    batches.quick(job.settings)
    assert finished(replace(job, settings=replace(job.settings, no_record=True, export=("bvh",))))


def test_a_fit_that_was_stopped_is_not_finished(job):
    batches.quick(job.settings)
    path = next(job.folder.rglob("run.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "done": False}))
    assert not finished(job) and known(job) == Record("stopped")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": "failed"}', '{"figures": 3}'])
def test_records_that_cannot_be_read_count_as_none(job, text):
    (job.folder / "batch.json").write_text(text)
    place = job.folder / "results_out" / "c0"
    place.mkdir(parents=True)
    (place / "run.json").write_text(text)
    assert not finished(job) and known(job).state in ("waiting", "stopped")


def test_a_record_comes_back_as_it_was_kept(job):
    record = Record("failed", "ü: no such file", 1.5, ({"clip": "c0", "stage": "stage1", "acceleration": 2.5},))
    keep(job, record)
    assert known(job) == record


def test_results_come_before_what_was_kept_of_an_earlier_failure(job):
    keep(job, Record("failed", "the disk was full"))
    batches.quick(job.settings)
    assert known(job) == Record("finished")


def test_a_finished_clip_is_only_measured(job):
    batches.quick(job.settings)
    record = fit_job(Work(job, batches.deadly))
    assert record.state == "finished" and len((job.folder / "calls").read_text().splitlines()) == 1


def test_a_clip_split_into_sub_sequences_is_finished_with_its_stitched_motion(job):
    split = replace(job, settings=replace(job.settings, rgb_seq_len=10))
    batches.quick(split.settings)
    assert not finished(split)
    (job.folder / "results_out" / "c0").rename(job.folder / "results_out" / "final_results")
    assert finished(split)


def test_a_new_fit_that_fails_does_not_leave_the_record_of_the_old_one(job):
    batches.quick(job.settings)
    other = replace(job, settings=replace(job.settings, preset="direct"))
    assert fit_job(Work(other, batches.with_trouble)).state == "failed"
    assert known(other).state == "failed" and run_of(other) == {}
