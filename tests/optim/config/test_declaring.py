"""An option is declared once: its parser, help, default and check follow, and whether a resumed run inherits it."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import pytest

from optim.common.errors import InputError
from optim.config.declaring import Check, add_options, check_values, option, options_of, positive
from optim.config.flags import build_parser
from optim.config.options import GROUPS, MODEL_FILES, OF_ONE_RUN, OPTIONS, HumorFlags, Settings
from optim.config.settings import parse


@dataclass(frozen=True)
class Declared:
    """One option of every type."""

    speed: float = option(2.0, "how fast", group="g", metavar="M/S", check=positive("m/s, "))
    count: int | None = option(None, "how many", group="g", otherwise="all", check=Check(lambda n: n > 1, "2 or more"))
    way: Literal["up", "down"] = option("up", "which way", group="g")
    place: Path | None = option(None, "where", group="g", aliases=("--where",))
    pair: tuple[int, int] | None = option(None, "both", group="g")
    names: tuple[str, ...] = option((), "called", group="g")
    loud: bool = option(False, "with sound", group="g")
    slow: bool = option(True, "at once", group="g", flag="--quick")
    made: int = 7
    """No option."""


def parser():
    made = argparse.ArgumentParser(argument_default=argparse.SUPPRESS, exit_on_error=False)
    add_options({"g": made.add_argument_group("g")}, Declared)
    return made


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("", {}),
        ("--speed 3", {"speed": 3.0}),
        ("--count 4 --way down", {"count": 4, "way": "down"}),
        ("--where a/b", {"place": Path("a/b")}),
        ("--pair 1 2 --names a b c", {"pair": [1, 2], "names": ["a", "b", "c"]}),
        ("--loud --quick", {"loud": True, "slow": False}),
    ],
)
def test_types_follow_from_the_field(words, values):
    assert vars(parser().parse_args(words.split())) == values


@pytest.mark.parametrize("words", ["--way left", "--count x"])
def test_values_of_another_type_are_refused(words):
    with pytest.raises(argparse.ArgumentError):
        parser().parse_args(words.split())


def test_the_help_shows_each_default_once():
    text = " ".join(parser().format_help().split())
    for part in ("how fast (default: 2)", "how many (default: all)", "which way (default: up)", "--quick at once"):
        assert part in text
    assert text.count("default") == 3 and "--made" not in text


def test_values_are_checked_by_their_declaration():
    check_values(Declared())
    with pytest.raises(InputError, match="--speed nan: m/s, more than 0"):
        check_values(Declared(speed=float("nan")))
    with pytest.raises(InputError, match="--count 1: 2 or more"):
        check_values(Declared(count=1))


def test_every_setting_is_an_option_but_what_follows_from_others():
    assert {item.name for item in fields(Settings)} - set(OPTIONS) == {"weights", "through_camera", "notices"}
    flags = [one.flag for declared in (Settings, HumorFlags) for one in options_of(declared).values()]
    assert len(set(flags)) == len(flags)
    assert {one.group for one in OPTIONS.values()} == set(GROUPS)


def test_every_default_that_is_a_number_or_a_word_is_in_the_help():
    text = re.sub(r"\s+", " ", build_parser().format_help())
    for name, one in OPTIONS.items():
        usual = getattr(Settings(), name)
        if isinstance(usual, (int, float)) and not isinstance(usual, bool):
            assert re.search(rf"{one.flag} [^ ]+ [^()]*\(default: {re.escape(f'{usual:g}')}\)", text), name


def test_a_resumed_run_does_not_inherit_what_concerns_one_run():
    of_files = {"out", "record", "open", "compare", "resume", "bundle"}
    of_export = {"export", "export_bones", "export_scale"}
    of_programs = {"headless", "no_video", "fast_video", "no_record", "check", "list_clips", "notices"}
    assert of_files | of_export | of_programs == OF_ONE_RUN
    assert MODEL_FILES == ("smpl", "vposer", "humor", "init_motion_prior")


def test_defaults_of_the_command_line_are_those_of_the_fields():
    assert parse([]) == Settings()


def test_every_value_of_a_choice_is_taken_from_the_command_line():
    parser = build_parser()
    chosen = [(action, value) for action in parser._actions for value in action.choices or ()]
    assert any(value == 270 for _, value in chosen)
    for action, value in chosen:
        count = action.nargs if isinstance(action.nargs, int) else 1
        flag = action.option_strings[0]
        given = vars(parser.parse_args([f"{flag}={value}"] if count == 1 else [flag, *[str(value)] * count]))
        assert given[action.dest] in (value, [value] * count)
