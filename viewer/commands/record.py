"""``python -m viewer.record SCRIPT VIDEO [options]``: play a script without a window and write the video.

SCRIPT is a file (docs/recording.md) or the name of a script that comes with the program. The options are those of
``run_viewer.py``; ``--open FILE`` plays a recorded run, without the optimiser. ``--pictures`` writes every picture
as PNG too; ``--fast-video`` makes the video smaller, with fewer pictures, than the script says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from optim.common.errors import InputError
from optim.common.exit_status import tell_error, with_exit_status
from optim.common.progress import PLAIN, Progress
from optim.config.settings import Settings, parse
from viewer.commands.headless import LoadError, record_script
from viewer.commands.sessions import make_session
from viewer.film.script import READY_MADE, ScriptError, faster, read_script
from viewer.film.video import VideoError
from viewer.replay.opening import replay_of
from viewer.window.client import Client
from viewer.window.window import WindowUnavailable
from viewer.worker.local_client import LocalClient


@with_exit_status
def main(arguments: list[str]) -> int:
    """The exit status: 0, or 2 after a message about what was given, or 1 where no video could be made."""
    if len(arguments) < 2 or arguments[0] in ("-h", "--help"):
        print(f"{__doc__}\nReady-made scripts: {', '.join(READY_MADE)}")
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    pictures = "--pictures" in arguments
    name, video, *rest = [word for word in arguments if word != "--pictures"]
    shown = Progress(unit="pictures", every=PLAIN)
    try:
        script, settings = read_script(name), parse(rest)
        script = faster(script) if settings.fast_video else script
        result = record_script(_client(settings), Path(video), script, pictures=pictures, report=shown.count)
    except (ScriptError, LoadError) as error:
        raise InputError(str(error)) from None
    except (WindowUnavailable, VideoError) as error:
        tell_error(error)
        return 1
    print(f"video: {result.path}" + (f" ({result.remark})" if result.remark else ""))
    return 0


def _client(settings: Settings) -> Callable[[], Client]:
    if settings.open is not None:
        return partial(replay_of, settings.open, body=settings.own_body, clip=settings.clip)
    return partial(LocalClient, partial(make_session, settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
