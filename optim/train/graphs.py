"""Replay the updates of a training run as CUDA graphs.

An update of the motion prior launches thousands of small kernels, and launching them one by one takes much longer than
running them. A recorded graph is launched as a whole. It reads its input from fixed places in memory, which are filled
before every replay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

EAGER = 2
"""Number of updates of a phase that run without a graph, so that compilers and libraries have been set up."""


class Graphs:
    """Runs ``update(phase, *inputs)``: eagerly at first, then as a graph that holds for the rest of the phase.

    Everything runs on a stream of its own, so that several trainings in one process share the GPU.

    Args:
        update: Function of a phase and of dataclasses of tensors. Its work must only depend on them and on tensors that
            stay in place, and it must not wait for the device.
    """

    def __init__(self, update: Callable[..., dict[str, Tensor]]) -> None:
        self._update = update
        self._stream = torch.cuda.Stream()
        self._phase: Any = None
        self._eager = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Any, ...] = ()
        self._outputs: dict[str, Tensor] = {}

    def run(self, phase: Any, *inputs: Any) -> dict[str, Tensor]:
        """One update; the results are overwritten by the next one."""
        if phase != self._phase:
            torch.cuda.synchronize()
            self._phase, self._eager, self._graph, self._outputs = phase, 0, None, {}
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            if self._eager < EAGER:
                self._eager += 1
                outputs = self._update(phase, *inputs)
            else:
                if self._graph is None:
                    self._record(phase, inputs)
                self._copy(inputs)
                assert self._graph is not None
                self._graph.replay()
                outputs = self._outputs
        torch.cuda.current_stream().wait_stream(self._stream)
        return outputs

    def _record(self, phase: Any, inputs: tuple[Any, ...]) -> None:
        self._inputs = tuple(type(x)(*(getattr(x, f.name).clone() for f in fields(x))) for x in inputs)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
            self._outputs = self._update(phase, *self._inputs)

    def _copy(self, inputs: tuple[Any, ...]) -> None:
        for place, values in zip(self._inputs, inputs, strict=True):
            for field in fields(values):
                getattr(place, field.name).copy_(getattr(values, field.name))
