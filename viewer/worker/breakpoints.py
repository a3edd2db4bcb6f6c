"""Creates the optimiser's breakpoints from the settings of the window, and checks them after every iteration."""

from __future__ import annotations

from collections.abc import Callable

from optim.diagnostics import breakpoints as kinds
from optim.diagnostics.breakpoints import Breakpoint, check
from optim.session.history import Snapshot
from optim.session.session import Session
from viewer.protocol.view_model import BreakpointSetting, Caught

DEFAULT_BREAKPOINTS: tuple[BreakpointSetting, ...] = (
    BreakpointSetting(name="not finite", on=True),
    BreakpointSetting(name="line search failed"),
    BreakpointSetting(name="loss up", bound=2.0, unit="×"),
    BreakpointSetting(name="axis-angle flip"),
    BreakpointSetting(name="foot skate", bound=20.0, unit="mm"),
    BreakpointSetting(name="penetration", bound=6.0, unit="cm"),
    BreakpointSetting(name="floor tilt", bound=10.0, unit="°"),
    BreakpointSetting(name="phase begins"),
    BreakpointSetting(name="term above", bound=100.0, term="joints3d"),
)
"""Settings of all breakpoints in a new window."""


def make_breakpoint(setting: BreakpointSetting) -> Breakpoint:
    """The optimiser's breakpoint for a setting of the window.

    Raises:
        InputError: The bound is negative or not finite, or there is no term of this name.
    """
    bound = 0.0 if setting.bound is None else setting.bound
    make: dict[str, Callable[[], Breakpoint]] = {
        "not finite": kinds.NotFinite,
        "line search failed": kinds.LineSearchFailed,
        "loss up": lambda: kinds.LossUp(bound),
        "axis-angle flip": kinds.Flip,
        "foot skate": lambda: kinds.Skate(bound),
        "penetration": lambda: kinds.Penetration(bound),
        "floor tilt": lambda: kinds.FloorTilt(bound),
        "phase begins": kinds.PhaseBoundary,
        "term above": lambda: kinds.TermAbove(bound, setting.term or ""),
    }
    return make[setting.name]()


class Watch:
    """The breakpoints that are set, and the latest one that was hit."""

    def __init__(self) -> None:
        self.settings = DEFAULT_BREAKPOINTS
        self.caught: Caught | None = None
        self._breakpoints = self._made(self.settings)

    def set(self, settings: tuple[BreakpointSetting, ...]) -> None:
        """Replace the breakpoints.

        Raises:
            InputError: A setting is invalid; the old breakpoints then stay.
        """
        self._breakpoints = self._made(settings)
        self.settings = settings

    def check(self, session: Session, before: Snapshot, after: Snapshot) -> Caught | None:
        """Check the breakpoints after one iteration; returns None if none of them was hit."""
        found = check(session.fit, self._breakpoints, before, after)
        if found is None:
            return None
        text = "; ".join(reason for _, reason in found.reasons)
        self.caught = Caught(snapshot=found.snapshot, text=text, last_good=found.last_good)
        return self.caught

    @staticmethod
    def _made(settings: tuple[BreakpointSetting, ...]) -> list[Breakpoint]:
        return [make_breakpoint(setting) for setting in settings if setting.on]
