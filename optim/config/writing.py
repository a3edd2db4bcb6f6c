"""Write a configuration in the form of HuMoR's ``.cfg`` files, which ``@file.cfg`` on the command line reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optim.schedule.terms import Triple
from optim.schedule.weights import WEIGHT_FLAGS


def configuration(
    weights: Mapping[str, Triple], *, also: Mapping[str, Sequence[object]] | None = None, remarks: Sequence[str] = ()
) -> str:
    """The text of a configuration, one flag a line. Numbers are written so that the same ones are read again.

    Args:
        weights: Name of a weight → its values in stages 1, 2, 3.
        also: Further flags with their values.
        remarks: Comments at the top.
    """
    lines = [f"# {remark}" for remark in remarks]
    lines += [" ".join((flag, *map(str, values))) for flag, values in (also or {}).items()]
    for flag, name in WEIGHT_FLAGS.items():
        if name in weights:
            lines.append(" ".join((flag, *(repr(float(value)) for value in weights[name]))))
    return "\n".join(lines) + "\n"
