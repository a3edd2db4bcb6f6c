"""Jobs on several processes: all of them done, trouble kept to its own clip, killed processes replaced."""

from __future__ import annotations

import os
import time

import pytest

from optim.batch import pool as pools
from optim.batch.fitting import ATTEMPTS, LOG, Work, fit_job
from optim.batch.pool import Pool
from optim.batch.records import known
from tests.optim.batch import batches


def run(jobs, fit, *, workers):
    pool = Pool(fit, workers=workers)
    try:
        return {job.name: record for job, record in filter(None, pool.outcomes(jobs, every=0.2))}
    finally:
        pool.close()


def calls(job):
    return [line.split() for line in (job.folder / "calls").read_text().splitlines()]


@pytest.mark.slow
def test_all_jobs_are_done_once_on_as_many_processes_as_asked_for(tmp_path):
    jobs = batches.made_up(tmp_path, 5)
    found = run(jobs, batches.quick, workers=2)
    assert {name: record.state for name, record in found.items()} == {job.name: "finished" for job in jobs}
    assert [len(calls(job)) for job in jobs] == [1] * 5
    processes = {int(process) for job in jobs for process, _ in calls(job)}
    assert len(processes) <= 2 and os.getpid() not in processes
    assert all("fitted" in (job.folder / LOG).read_text() for job in jobs)


@pytest.mark.slow
def test_trouble_stays_with_its_clip_and_a_killed_process_is_replaced(tmp_path):
    jobs = batches.made_up(tmp_path, 5)
    found = run(jobs, batches.with_trouble, workers=2)
    assert found["c0"].state == "failed" and found["c0"].message == "c0.npz: trans has 3 values that are NaN"
    assert found["c1"].state == "failed" and found["c1"].message.startswith("ZeroDivisionError: division by zero (see ")
    assert "Traceback" in (jobs[1].folder / LOG).read_text()
    assert found["c2"].state == "stopped"
    assert (jobs[3].folder / "killed").exists() and found["c3"].state == "finished"
    assert len(calls(jobs[3])) == len(calls(jobs[4])) == 1
    for job in jobs[:3]:
        assert known(job) == found[job.name]


@pytest.mark.slow
def test_a_clip_that_kills_every_process_fails_and_the_others_go_on(tmp_path):
    jobs = batches.made_up(tmp_path, 3)
    found = run(jobs, batches.deadly, workers=1)
    assert found["c1"].state == "failed" and f"ended {ATTEMPTS} times, at last with signal 9" in found["c1"].message
    assert (jobs[1].folder / "calls").read_text() == "killed\n" * ATTEMPTS
    assert known(jobs[1]) == found["c1"] and len(calls(jobs[0])) == len(calls(jobs[2])) == 1


@pytest.mark.slow
def test_closing_stops_what_is_in_work_and_lets_it_write(tmp_path):
    jobs = batches.made_up(tmp_path, 2)
    pool = Pool(batches.until_stopped, workers=2)
    began = time.monotonic()
    for outcome in pool.outcomes(jobs, every=0.1):
        assert outcome is None
        if all((job.folder / "begun").exists() for job in jobs):
            break
        assert time.monotonic() - began < 240
    assert pool.running == ["c0", "c1"]
    pool.close()
    assert all((job.folder / "saved").exists() for job in jobs)
    assert [known(job).state for job in jobs] == ["stopped", "stopped"]


def test_the_processors_are_shared_among_the_processes(monkeypatch):
    given = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("optim.common.threads.processors", lambda: 8)
    monkeypatch.setattr(pools, "Worker", lambda: given.append(os.environ["OMP_NUM_THREADS"]))
    for workers in (1, 3, 16):
        pools._with_its_share(workers)
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    pools._with_its_share(2)
    assert given == ["8", "2", "1", "5"] and os.environ["OMP_NUM_THREADS"] == "5"


def test_what_a_fit_says_goes_to_its_log_and_the_streams_come_back(tmp_path, capfd):
    (job,) = batches.made_up(tmp_path, 1)
    record = fit_job(Work(job, batches.with_trouble))
    print("afterwards")
    assert record.state == "failed" and "error: c0.npz" in (job.folder / LOG).read_text()
    assert capfd.readouterr() == ("afterwards\n", "")
