"""A batch of made-up clips, and functions in the place of a fit, which other processes can import."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from optim.batch.jobs import Job, jobs_of
from optim.common.errors import InputError
from optim.common.exit_status import STOPPED
from optim.config.settings import Settings
from optim.results.saving.run_record import plain
from tests.motions import write_walk


def made_up(folder: Path, count: int, *flags: str) -> list[Job]:
    """Jobs for clips called c0, c1, …"""
    (folder / "clips").mkdir(exist_ok=True)
    for number in range(count):
        write_walk(folder / "clips" / f"c{number}.npz", frames=20)
    return jobs_of(folder / "clips", folder / "out", flags)


def quick(settings: Settings) -> int:
    """Leave the record of a finished fit without fitting; each call is noted in the file ``calls``."""
    assert settings.out is not None and settings.data_path is not None
    name = settings.data_path.stem
    with (settings.out / "calls").open("a") as file:
        file.write(f"{os.getpid()} {settings.resume or '-'}\n")
    place = settings.out / "results_out" / name
    place.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in vars(settings).items() if key != "notices"}
    info = {"done": True, "seconds": 0.1, "frames": 20, "settings": kept, "why": why_of(name)}
    (place / "run.json").write_text(json.dumps(info, default=plain))
    print(f"fitted {name}")
    return 0


def why_of(name: str) -> list[dict[str, object]]:
    """Causes of a made-up clip: c1 floats, c2 has two that are bad, others are in order."""
    bad = {"level": "bad", "text": "It floats.", "evidence": ["9 cm"], "advice": "Check the floor.", "frame": 3}
    fine = {"level": "good", "text": "Fine.", "evidence": [], "advice": "", "frame": None, "rule": "solver"}
    wrong = {"c1": [{**bad, "rule": "floor"}], "c2": [{**bad, "rule": "floor"}, {**bad, "rule": "feet"}]}
    return wrong.get(name, [fine])


def with_trouble(settings: Settings) -> int:
    """c0 has bad data, c1 a mistake of ours, c2 is stopped; the process of c3 is killed at the first attempt."""
    assert settings.out is not None and settings.data_path is not None
    name = settings.data_path.stem
    if name == "c0":
        raise InputError("c0.npz: trans has 3 values that are NaN")
    if name == "c1":
        raise ZeroDivisionError("division by zero")
    if name == "c2":
        return STOPPED
    if name == "c3" and not (settings.out / "killed").exists():
        (settings.out / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(settings)


def deadly(settings: Settings) -> int:
    """The process of c1 is killed at every attempt."""
    assert settings.out is not None and settings.data_path is not None
    if settings.data_path.stem == "c1":
        with (settings.out / "calls").open("a") as file:
            file.write("killed\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(settings)


def until_stopped(settings: Settings) -> int:
    """Takes for ever, and ends as a fit does that is stopped."""
    assert settings.out is not None
    (settings.out / "begun").touch()
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        (settings.out / "saved").touch()
    return STOPPED
