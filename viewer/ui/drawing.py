"""Polyscope, ImGui, ImPlot and OpenCV, loaded when the first of their functions is used and not before.

Polyscope needs libX11 and OpenCV libGL as soon as they are loaded. A browser's server uses tables, texts and curves
of the modules that draw in the window, and must also run where there are none, as on the nodes of a cluster.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import cv2
    import polyscope as ps
    import polyscope.imgui as psim
    import polyscope.implot as implot
else:

    class _Late(ModuleType):
        """A module that stands for another one and has what that one has."""

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            found = getattr(importlib.import_module(self.__name__), name)
            setattr(self, name, found)  # the next use costs nothing more
            return found

    cv2, ps = _Late("cv2"), _Late("polyscope")
    psim, implot = _Late("polyscope.imgui"), _Late("polyscope.implot")

__all__ = ["cv2", "implot", "plot_flags", "ps", "psim", "window_flags"]


def plot_flags(*names: str) -> int:
    """The value of ImPlot's flags for plots, by the ends of their names."""
    return _joined(implot, "ImPlotFlags_", names)


def window_flags(*names: str) -> int:
    """The value of ImGui's flags for windows, by the ends of their names."""
    return _joined(psim, "ImGuiWindowFlags_", names)


def _joined(module: ModuleType, start: str, names: tuple[str, ...]) -> int:
    value = 0
    for name in names:
        value |= int(getattr(module, start + name))
    return value
