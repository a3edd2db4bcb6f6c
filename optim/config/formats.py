"""Names of the formats that motions can be exported to, and of the bones in them.

Imports nothing heavy, because every command line is checked with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from optim.common.errors import InputError

FORMATS = ("gltf", "bvh", "amass", "obj", "csv", "json")
BONES = ("smpl", "mixamo", "unreal")
"""Programs whose names of bones ``gltf`` and ``bvh`` can have."""


def formats_of(words: Sequence[str]) -> tuple[str, ...]:
    """Formats as given on a command line, separated by commas or spaces. Each occurs once in the result.

    Raises:
        InputError: A format is unknown, or none is given; names the known formats.
    """
    names = tuple(dict.fromkeys(name for word in words for name in word.split(",") if name))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        came = f"format {unknown[0]!r} is not known" if unknown else "no format is given"
        raise InputError(f"{came}; there are {', '.join(FORMATS)}")
    return names
