"""Open the window on a fit, or run the fit without one; ``--help`` lists what can be asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from optim.common.exit_status import with_exit_status
from optim.config.settings import Settings, parse
from viewer.commands.sessions import announce_notes, log


@with_exit_status
def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks; returns the exit status, which is 2 after a message about bad input."""
    announce_notes()
    settings = parse(arguments)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
