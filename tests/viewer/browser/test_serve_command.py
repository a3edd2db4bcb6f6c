"""``humorscope serve``: what it is given, what it refuses, and where a user without OpenGL hears of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import pytest

import run_viewer
from tests.imports import ROOT
from tests.viewer import recorded
from tests.viewer.browser.tab import Tab, wait
from viewer.browser import serving
from viewer.commands import serve as command
from viewer.commands.serve import main
from viewer.protocol.commands import Step
from viewer.protocol.view_model import LoadFailed
from viewer.window.client import PipedClient, ProcessClient


@pytest.fixture
def served(monkeypatch):
    """What would be served: how clients are made, where, and with what else."""
    found = []
    monkeypatch.setattr(serving, "serve", lambda make, access, **options: found.append((make, access, options)))
    return found


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "short run.humorscope"
    client = recorded.client(path)()
    client.post(Step())
    while client.worker.turn():
        pass
    client.close()
    return path


def test_a_run_is_shown_and_flags_start_a_fit(served, run_file, tmp_path):
    assert main([str(run_file), "--port", "0"]) == 0
    assert main([str(run_file), "--port", "0", "--compare", str(run_file)]) == 0
    assert main(["--fit", "--no-record", "--port", "0", "--host", "0.0.0.0"]) == 0
    assert main(["--data", "getup", "--record", str(tmp_path / "fit.humorscope"), "--port", "0", "--token"]) == 0
    (shown, compared, demo, fit) = served
    assert shown[0].func is command.other_run and shown[1].token is None and shown[2]["compare"] is None
    assert compared[2]["compare"] == str(run_file)
    assert demo[0].func is ProcessClient and demo[1].token and demo[2]["about"].settings["data"]
    assert fit[1].token and fit[2]["about"].settings["data"] == "getup"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give a recorded run"),
        (["no-such.humorscope"], "no-such.humorscope"),
        (["--fit", "--host", "no.such.host.invalid"], "--host"),
        (["--fit", "--no-such-flag"], "--no-such-flag"),
    ],
)
def test_what_cannot_be_served_is_refused(words, told, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(words)
    except SystemExit as end:  # from the parser of flags
        status = end.code
    assert status == 2 and told in capfd.readouterr().err


def test_without_viser_it_says_what_to_install(monkeypatch, capsys, run_file):
    for name in [name for name in sys.modules if name.startswith("viewer.browser.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "viser", None)
    assert main([str(run_file)]) == 2
    assert "pip install 'humorscope[browser]'" in capsys.readouterr().err


def test_where_a_worker_fails_to_load_the_status_is_that_of_the_window(served, monkeypatch, run_file, capsys):
    for of_user, status in ((True, 2), (False, 1)):
        failed = LoadFailed(text="clip.npz: no array 'trans'", input_error=of_user)
        monkeypatch.setattr(serving, "serve", lambda *arguments, failed=failed, **options: failed)
        assert main([str(run_file), "--port", "0"]) == status
        assert "clip.npz" in capsys.readouterr().err


def test_where_there_is_no_opengl_the_message_names_the_command(run_file, monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert run_viewer.main(["--open", str(run_file)]) == 1
    assert f"serve '{run_file}'" in capsys.readouterr().err


def test_a_run_is_read_in_a_process_of_its_own(served, run_file):
    assert main([str(run_file), "--port", "0"]) == 0
    client = served[0][0]()
    assert isinstance(client, PipedClient) and client.process.is_alive()
    client.close()


WITHOUT_LIBRARIES = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("polyscope", "polyscope_bindings", "cv2"):
            raise ImportError("libX11.so.6: cannot open shared object file: No such file or directory")

sys.meta_path.insert(0, Missing())
"""


def test_it_needs_no_library_of_a_display(run_file, tmp_path):
    """Neither libX11, which Polyscope loads, nor libGL, which OpenCV loads, are on the nodes of a cluster."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_LIBRARIES)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    modules = "viewer.commands.fit, viewer.commands.window, viewer.commands.headless, viewer.worker.worker"
    fit = [sys.executable, "-c", f"import {modules}, optim.loading.problem"]
    assert subprocess.run(fit, cwd=ROOT, env=environment, timeout=120).returncode == 0
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_viewer.py"), "serve", str(run_file), "--port", "0"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        told: list[str] = []
        reading = threading.Thread(target=lambda: told.append(process.stdout.readline()), daemon=True)
        reading.start()
        reading.join(timeout=120)
        assert told, "it did not say its address in time"
        address = re.search(r"http://\S+:(\d+)/", told[0])
        assert address is not None, told[0]
        tab = Tab(int(address[1]))
        wait(lambda: "/body 0" in tab.nodes, turn=tab.receive, seconds=60.0)
        tab.close()
    finally:
        process.kill()
        process.wait()
