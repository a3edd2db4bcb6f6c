"""The program's sub-commands: the same as their long forms, help, versions, wrong words, and the log."""

from __future__ import annotations

import logging
import sys

import pytest

import run_viewer
from optim.common import logs
from viewer.commands.entry import main as entry
from viewer.commands.entry.subcommands import FIT, SUBCOMMANDS, subcommand


@pytest.fixture
def dispatched(monkeypatch):
    """The settings that would be started."""
    found = []
    monkeypatch.setattr(entry, "dispatch", lambda settings: found.append(settings) or 0)
    return found


@pytest.fixture(autouse=True)
def _logs_as_before(monkeypatch):
    """Undo what a command line chooses."""
    root, names = logging.getLogger(), [logging.getLogger(name) for name in logs.OURS]
    before, levels = list(root.handlers), [logger.level for logger in names]
    monkeypatch.setenv(logs.VERBOSE, "")
    monkeypatch.setenv(logs.LOG_FILE, "")
    root.handlers = [handler for handler in before if not isinstance(handler, logs._Notes)]
    yield
    root.handlers = before
    for logger, level in zip(names, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("fit walk.npz --seed 3", "--headless --data-path walk.npz --seed 3"),
        ("fit --data getup", "--headless --data getup"),
        ("film run.humorscope", "--headless --open run.humorscope"),
        ("open run.humorscope", "--open run.humorscope"),
        ("check walk.npz", "--check --data-path walk.npz"),
        ("", ""),
    ],
)
def test_a_short_form_means_its_long_form(tmp_path, monkeypatch, dispatched, short, long):
    monkeypatch.chdir(tmp_path)
    assert run_viewer.main(short.split()) == run_viewer.main(long.split()) == 0
    assert dispatched[0] == dispatched[1]


@pytest.mark.parametrize("row", SUBCOMMANDS, ids=lambda row: row.name)
def test_every_row_has_a_parser_and_its_name_is_in_the_help(row, capsys):
    assert row.parser().format_help()
    assert row.module == FIT or callable(row.loaded().main)
    assert run_viewer.main(["--help"]) == 0
    assert f"  {row.name} {row.operand}" in capsys.readouterr().out


def test_other_modules_get_their_own_words(tmp_path, capsys):
    assert run_viewer.main(["evaluate", str(tmp_path / "nothing")]) == 2
    assert "nothing: no such folder" in capsys.readouterr().err
    assert subcommand("evaluate").module == "optim.commands.evaluate"


def test_a_word_that_is_no_subcommand_is_refused_with_the_nearest(capsys):
    assert run_viewer.main(["exprot", "out"]) == 2
    assert "'exprot' is no sub-command; did you mean export?" in capsys.readouterr().err
    assert run_viewer.main(["walk.npz"]) == 2
    assert "given with --data-path" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    assert run_viewer.main(["--version"]) == 0
    name, number, *_ = capsys.readouterr().out.split()
    assert name == "humorscope" and number[0].isdigit()


def test_messages_call_the_program_as_it_was_called(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/humorscope"])
    run_viewer.main(["--help"])
    assert capsys.readouterr().out.startswith("usage: humorscope [flags]")
    monkeypatch.setattr(sys, "argv", ["run_viewer.py"])
    run_viewer.main(["--help"])
    assert capsys.readouterr().out.startswith("usage: run_viewer.py [flags]")


def test_the_log_file_has_what_the_error_stream_has_and_more(tmp_path, capsys):
    path = tmp_path / "logs" / "a.log"
    assert run_viewer.main(["fit", str(tmp_path / "none.npz"), "--log-file", str(path)]) == 2
    told, kept = capsys.readouterr().err, path.read_text()
    assert "none.npz: no such file" in told and "none.npz: no such file" in kept
    assert "INFO" in kept and "humorscope" in kept and "info:" not in told
    assert told.count("none.npz: no such file") == 1


def test_verbose_says_what_is_done(tmp_path, capsys):
    run_viewer.main(["-v", "fit", str(tmp_path / "none.npz")])
    assert "info: humorscope" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--log-file"], ["--log-file", " "], ["--log-file=/dev/null/a"]])
def test_a_log_file_that_cannot_be_written_is_refused(words, capsys):
    assert run_viewer.main(["check", *words]) == 2
    assert "error: --log-file" in capsys.readouterr().err


def test_flags_of_the_program_do_not_stand_in_a_configuration(tmp_path, capsys):
    (tmp_path / "a.cfg").write_text("--verbose\n")
    assert run_viewer.main([f"@{tmp_path / 'a.cfg'}"]) == 2
    assert "--verbose: it is a flag of the program" in capsys.readouterr().err
