"""Start what the command line asks for: a sub-command, the window, or a fit without one."""

from __future__ import annotations

import difflib
import logging
import shlex
from collections.abc import Sequence

from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.logs import take_log_options
from optim.common.versions import started_as, version_line
from optim.config.flags import build_parser
from optim.config.settings import Settings, parse
from viewer.commands.entry.subcommands import FIT, SUBCOMMANDS, subcommand

log = logging.getLogger(__name__)


@with_exit_status
def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks; returns the exit status, which is 2 after a message about bad input."""
    words = take_log_options(arguments)
    log.info("%s: %s %s", version_line(), started_as(), shlex.join(words))
    if "--version" in words:
        print(version_line())
        return 0
    if words and words[0] in ("-h", "--help"):
        print(help_text())
        return 0
    row = subcommand(words[0]) if words else None
    if row is None:
        _refuse_unknown(words)
        return fit_or_show(words)
    if row.module != FIT:
        status: int = row.loaded().main(words[1:])
        return status
    return fit_or_show(row.words(words[1:]))


def fit_or_show(words: Sequence[str]) -> int:
    """Do what flags of ``run_viewer.py`` ask for; returns the exit status.

    Raises:
        InputError: A file, a value or a combination of values cannot be used.
    """
    settings = parse(words)
    for notice in settings.notices:
        log.warning("%s", notice)
    return dispatch(settings)


def dispatch(settings: Settings) -> int:
    """Start what was asked for. Only that is imported: the window's process stays without torch."""
    if settings.bundle is not None:
        from viewer.commands.bundle import write_bundle

        return write_bundle(*settings.bundle)
    if settings.check:
        from viewer.commands.check import print_checks

        return print_checks(settings)
    if settings.list_clips:
        from viewer.commands.clips import list_clips

        return list_clips(settings)
    if settings.open is not None and settings.headless:
        from viewer.commands.headless import film_replay

        return film_replay(settings)
    if settings.open is not None:
        from viewer.commands.window import show_replay

        return show_replay(settings, settings.open)
    if settings.resume is not None:
        from optim.recording.resuming import resumed_settings

        settings = resumed_settings(settings)
    if settings.headless:
        from viewer.commands.clips import fit_clips

        return fit_clips(settings)
    from viewer.commands.window import show_fit

    return show_fit(settings)


def help_text() -> str:
    """The sub-commands, and below them every flag of a fit."""
    width = max(len(f"{row.name} {row.operand}") for row in SUBCOMMANDS)
    rows = [f"  {f'{row.name} {row.operand}':{width}}  {row.help}" for row in SUBCOMMANDS]
    program = started_as()
    return "\n".join(
        [
            f"usage: {program} [flags] [@file.cfg]",
            f"       {program} SUB-COMMAND …",
            "",
            f"sub-commands ({program} NAME --help says more):",
            *rows,
            "",
            "without a sub-command, the window opens on a fit:",
            build_parser().format_help().partition("\n\n")[2].rstrip(),
        ]
    )


def _refuse_unknown(words: Sequence[str]) -> None:
    """Refuse a first word that is neither a sub-command nor a flag, with the nearest sub-command."""
    if not words or words[0].startswith(("-", "@")):
        return
    names = [row.name for row in SUBCOMMANDS]
    near = difflib.get_close_matches(words[0], names, n=1)
    advice = f"did you mean {near[0]}?" if near else f"they are {', '.join(names)}"
    raise InputError(
        f"{words[0]!r} is no sub-command; {advice} A motion file or a video is given with --data-path FILE"
    )
