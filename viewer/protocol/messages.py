"""What a worker publishes, as one type, and how it tells that it could not load."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from optim.common.errors import InputError
from viewer.protocol.view_model import Analysis, Finished, LoadFailed, Loading, Note, Scene, Status, ViewModel

Message = Scene | ViewModel | Status | Analysis | Note | Loading | LoadFailed | Finished
Publish = Callable[[Message], None]
SessionMaker = Callable[[], Any]
"""Makes the ``optim.session.session.Session`` to debug; picklable, since it is called in the worker's process."""
Record = Callable[[Any], Any]
"""From a session to its ``optim.recording.Recording``; may put the session where an earlier one was. Picklable."""


def load_failed(error: Exception) -> LoadFailed:
    """What is told of an error while loading; the traceback of one that nobody expected goes to stderr."""
    expected = isinstance(error, InputError)
    if not expected:
        traceback.print_exception(error, file=sys.stderr)
    text = str(error) if expected else f"{type(error).__name__}: {error}"
    return LoadFailed(text=text, input_error=expected)
