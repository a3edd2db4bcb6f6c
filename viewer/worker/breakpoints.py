"""The window's traps on the worker's side: settings become the optimiser's traps, checked after every iteration."""

from __future__ import annotations

from collections.abc import Callable

from optim.diagnostics import breakpoints as traps
from optim.diagnostics.breakpoints import Trap, check
from optim.session.history import Snapshot
from optim.session.session import Session
from viewer.protocol.view_model import Caught, TrapSetting

DEFAULT_TRAPS: tuple[TrapSetting, ...] = (
    TrapSetting(name="not finite", on=True),
    TrapSetting(name="line search failed"),
    TrapSetting(name="loss up", bound=2.0, unit="×"),
    TrapSetting(name="axis-angle flip"),
    TrapSetting(name="foot skate", bound=20.0, unit="mm"),
    TrapSetting(name="penetration", bound=6.0, unit="cm"),
    TrapSetting(name="floor tilt", bound=10.0, unit="°"),
    TrapSetting(name="phase begins"),
    TrapSetting(name="term above", bound=100.0, term="joints3d"),
)
"""All there are, as a new window has them."""


def make_trap(setting: TrapSetting) -> Trap:
    """The optimiser's trap.

    Raises:
        InputError: A bound or a term that cannot be.
    """
    bound = 0.0 if setting.bound is None else setting.bound
    make: dict[str, Callable[[], Trap]] = {
        "not finite": traps.NotFinite,
        "line search failed": traps.LineSearchFailed,
        "loss up": lambda: traps.LossUp(bound),
        "axis-angle flip": traps.Flip,
        "foot skate": lambda: traps.Skate(bound),
        "penetration": lambda: traps.Penetration(bound),
        "floor tilt": lambda: traps.FloorTilt(bound),
        "phase begins": traps.PhaseBoundary,
        "term above": lambda: traps.TermAbove(bound, setting.term or ""),
    }
    return make[setting.name]()


class Watch:
    """The traps that are set, and what they last caught."""

    def __init__(self) -> None:
        self.settings = DEFAULT_TRAPS
        self.caught: Caught | None = None
        self._traps = self._made(self.settings)

    def set(self, settings: tuple[TrapSetting, ...]) -> None:
        """Set other traps; impossible ones raise ``InputError`` and leave the old ones."""
        self._traps = self._made(settings)
        self.settings = settings

    def check(self, session: Session, before: Snapshot, after: Snapshot) -> Caught | None:
        """What the traps say of one iteration."""
        found = check(session.fit, self._traps, before, after)
        if found is None:
            return None
        text = "; ".join(reason for _, reason in found.sprung)
        self.caught = Caught(snapshot=found.snapshot, text=text, last_good=found.last_good)
        return self.caught

    @staticmethod
    def _made(settings: tuple[TrapSetting, ...]) -> list[Trap]:
        return [make_trap(setting) for setting in settings if setting.on]
