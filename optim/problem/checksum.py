"""Checksums of tensors, which tell whether a fit has the models and data that another one had."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

from optim.priors.pose_prior import PosePrior

PRIORS = ("pose_prior", "motion_prior", "init_state_prior")
"""The fields of ``Problem`` that are priors."""


def checksum(*values: Any) -> int:
    """A number that differs if any tensor differs in tensors, networks, priors, tuples and dataclasses.

    Fields that a dataclass works out itself do not count, because other processors round them differently.
    """
    found = 0
    for tensor in _tensors(values):
        found = zlib.crc32(tensor.detach().contiguous().numpy().tobytes(), found)
    return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, PosePrior):
        yield from _tensors(value.network)
    elif isinstance(value, nn.Module):
        yield from value.state_dict().values()
    elif isinstance(value, tuple):
        for item in value:
            yield from _tensors(item)
    elif is_dataclass(value):
        for field in fields(value):
            if field.init:
                yield from _tensors(getattr(value, field.name))
