"""Puts the pinned motion into the frame of the one that is shown, and measures how the two differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optim.diagnostics.comparison import (
    Row,
    TermRow,
    Track,
    begins_at,
    compare,
    joined,
    plan_texts,
    set_apart,
    terms_apart,
)
from viewer.protocol.view_model import About, Camera, Compared, Motion, ViewModel
from viewer.scene.reframe import Rigid, moved
from viewer.ui.pins import Pin, Pins, phases_of, terms_of


class Comparing:
    """Keeps ``ViewModel.compared`` up to date; measures again only if the motion or the pin has changed."""

    def __init__(self) -> None:
        self._for: tuple[object, ...] = ()
        self._compared: Compared | None = None

    def __call__(self, view: ViewModel, pins: Pins) -> ViewModel:
        """The view with the comparison of the pin that is drawn."""
        pin, beside = pins.pin, pins.distance if pins.beside else 0.0
        if pin is None:
            return view if view.compared is None else replace(view, compared=None)
        wanted = (view.motion, pin)
        if len(self._for) != 2 or any(now is not then for now, then in zip(wanted, self._for, strict=True)):
            self._for, self._compared = wanted, compared(view, pin)
        assert self._compared is not None
        if self._compared.beside != beside:
            self._compared = replace(self._compared, beside=beside)
        return view if view.compared is self._compared else replace(view, compared=self._compared)


def compared(view: ViewModel, pin: Pin) -> Compared:
    """A pinned motion beside the one that is shown."""
    offset = begins_at(view.about.settings, pin.about.settings)
    starts = tuple(start + offset for start in pin.starts)
    motion = moved(pin.motion, _into(view.scene.camera, pin.camera), pin.body)
    found = compare(_track(view.motion, view.scene.starts), _track(motion, starts))
    return Compared(
        label=pin.label,
        motion=motion,
        body=pin.body,
        starts=starts,
        frames=found.frames,
        values=found.values,
        about=found.about + ("" if (view.scene.camera is None) == (pin.camera is None) else _OTHER_WORLD),
    )


_OTHER_WORLD = "; only one of the two was seen by a camera, so their places do not agree"


def _into(shown: Camera | None, pinned: Camera | None) -> Rigid:
    """From the display frame of the pin to that of the view: through the camera, if both have it."""
    if shown is None or pinned is None:
        return Rigid(np.eye(3), np.zeros(3))
    to_camera = Rigid(pinned.R_display_camera, pinned.t_display_camera).inverse
    R = shown.R_display_camera @ to_camera.R
    return Rigid(R, shown.R_display_camera @ to_camera.t + shown.t_display_camera)


def _track(motion: Motion, starts: tuple[int, ...]) -> Track:
    return joined(motion.joints, motion.rotations[:, :, 0], starts)


def terms(view: ViewModel, pin: Pin) -> list[TermRow]:
    """Weighted loss terms of what is shown and of the pin; none for a ground truth."""
    return terms_apart(terms_of(view), pin.terms) if pin.terms else []


def set_differently(view: ViewModel, pin: Pin) -> list[Row]:
    """Settings and schedule in which the pin differs from what is shown."""
    texts = [_texts(view.about, phases_of(view)), _texts(pin.about, pin.phases)]
    return set_apart(*texts) if pin.phases else []


def _texts(about: About, phases: tuple) -> dict[str, str]:
    return {**about.settings, **plan_texts(phases)}
