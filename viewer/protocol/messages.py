"""The messages that a worker publishes, and the one that says why it could not load."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from optim.common.errors import InputError
from viewer.protocol.view_model import (
    About,
    Analysis,
    Finished,
    LoadFailed,
    Loading,
    Note,
    Scene,
    Status,
    Tuning,
    ViewModel,
)

Message = About | Scene | ViewModel | Status | Analysis | Tuning | Note | Loading | LoadFailed | Finished
Publish = Callable[[Message], None]
SessionMaker = Callable[[], Any]
"""Makes the ``optim.session.session.Session`` to show; called in the worker's process, so it must be picklable."""
Record = Callable[[Any], Any]
"""Takes a session and returns its ``optim.recording.Recording``; must be picklable.

If the file holds a recording already, the session is first put where that recording ended.
"""


def load_failed(error: Exception) -> LoadFailed:
    """The message about an error while loading.

    An ``InputError`` is told as it is. Any other error is a fault of the program, and its traceback goes to stderr.
    """
    expected = isinstance(error, InputError)
    if not expected:
        traceback.print_exception(error, file=sys.stderr)
    text = str(error) if expected else f"{type(error).__name__}: {error}"
    return LoadFailed(text=text, input_error=expected)
