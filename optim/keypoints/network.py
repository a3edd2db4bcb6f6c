"""Run a TFLite network with LiteRT: it takes an image and gives arrays by their shape."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from optim.common.errors import InputError


class Network:
    """One interpreter of one network.

    Args:
        threads: Number of processor threads.

    Raises:
        InputError: LiteRT is not installed, or the file is not a TFLite network.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise InputError(
                "keypoints of a video need ai-edge-litert, which is not installed: pip install -c requirements.lock -e"
                " .; or give keypoints of your own with --op-keypts DIR"
            ) from None
        if not path.is_file():
            raise InputError(f"{path}: no such file; restore it with `python -m assets.build keypoints`")
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path}: not a TFLite network ({str(error).splitlines()[0]})") from None
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = self._interpreter.get_output_details()

    def __call__(self, image: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
        """Outputs of the network for an image (H, W, 3) float32, by their shape without the batch axis."""
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(image[None], np.float32))
        self._interpreter.invoke()
        return {tuple(o["shape"][1:]): self._interpreter.get_tensor(o["index"])[0].copy() for o in self._outputs}
