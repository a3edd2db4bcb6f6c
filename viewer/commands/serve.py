"""``humorscope serve``: the window in a browser, for a recorded run, for results or for a fit.

``humorscope serve RUN`` shows what is stored; any flag of a fit, or ``--fit`` alone for the demo, starts a fit that is
steered from the browser. Everyone who opens the address sees and steers the same. The fit goes on when a tab is closed,
and it is recorded as in the window. Ctrl+C ends it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from functools import partial

from optim.common.errors import InputError
from optim.common.exit_status import tell_error, with_exit_status
from optim.config.settings import Settings, parse
from optim.recording.run_folder import choose_place
from viewer.commands.sessions import about_fit, fit_client, other_run, stop_on_signals
from viewer.protocol.view_model import LoadFailed

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the flags that are not those of a fit."""
    parser = argparse.ArgumentParser(
        prog="humorscope serve", usage="humorscope serve [RUN] [--fit] [flags] [flags of a fit]", description=__doc__,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--fit", action="store_true", help="fit the demo where no data is named")
    parser.add_argument("--host", default="127.0.0.1", help="name or address to listen on (this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (the first free one from 8080 on)")
    parser.add_argument("--token", action="store_true", help="ask for a token on this machine too")
    return parser


@with_exit_status
def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl+C; returns the exit status."""
    words = list(arguments)
    if {"-h", "--help"} & set(words):
        build_parser().print_help()
        return 0
    options, flags = build_parser().parse_known_args(words)
    if flags and not flags[0].startswith(("-", "@")):
        flags = ["--open", *flags]
    if not flags and not options.fit:
        raise InputError("give a recorded run or results, data with --data-path, or --fit for the demo")
    settings = parse(flags)
    for notice in settings.notices:
        log.warning("%s", notice)
    try:
        from viewer.browser.access import access_to
        from viewer.browser.serving import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("viser", "websockets"):
            raise
        raise InputError("the browser needs viser: pip install 'humorscope[browser]'") from error
    stop_on_signals()
    access = access_to(options.host, options.port, token=options.token)
    other, compare = partial(other_run, settings), None if settings.compare is None else str(settings.compare)
    if settings.open is not None:
        return _status(serve(partial(other, str(settings.open)), access, other=other, compare=compare))
    settings = resumed(settings)
    place = choose_place(settings)
    failed = serve(fit_client(settings, place), access, about=about_fit(settings), other=other, compare=compare)
    if path := place.settle():
        print(f"recorded: {path}", flush=True)
    return _status(failed)


def _status(failed: LoadFailed | None) -> int:
    """The exit status after what could not be loaded, which is told."""
    if failed is None:
        return 0
    tell_error(failed.text)
    return 2 if failed.input_error else 1


def resumed(settings: Settings) -> Settings:
    """The settings of a fit, with those of the run that it goes on with, if any."""
    if settings.resume is None:
        return settings
    from optim.recording.resuming import resumed_settings

    return resumed_settings(settings)
