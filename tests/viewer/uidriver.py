"""Clicks and types in process: queues ImGui input events and remembers where every widget was drawn.

Works on all backends, ``openGL_mock`` included. Widgets are named by their label without ``##``, below
the ids pushed around them: ``Run``, ``joints3d/slider``. Windows and whether their content fits are recorded too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import polyscope as ps
import polyscope.imgui as psim
import polyscope.implot as implot

_WIDGETS = (
    "Button", "SmallButton", "ArrowButton", "Checkbox", "RadioButton", "SliderFloat", "DragInt", "DragFloat",
    "InputDouble", "InputInt", "InputText", "InputTextWithHint",
    "InvisibleButton", "Selectable", "BeginCombo", "BeginTable",
)  # fmt: skip


_INSIDE: dict[str, Callable[..., str]] = {
    "Button": lambda label, *_: label,
    "BeginCombo": lambda label, shown, *_: shown,
    "DragInt": lambda label, value, speed=1, low=0, high=0, form="%d", *_: form % value,
    "DragFloat": lambda label, value, speed=1, low=0, high=0, form="%.3f", *_: form % value,
    "InputInt": lambda label, value, *_: str(value),
    "InputDouble": lambda label, value, step=0, fast=0, form="%.6f", *_: form % value,
}
"""Widget → the text inside it, from its label and further arguments."""


class Box(NamedTuple):
    """Where something was drawn in the last frame that drew it."""

    x0: float
    y0: float
    x1: float
    y1: float
    window: str = ""
    frame: int = 0

    def overlaps(self, other: Box) -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def inside(self, other: Box, *, slack: float = 1.0) -> bool:
        lower = self.x0 >= other.x0 - slack and self.y0 >= other.y0 - slack
        return lower and self.x1 <= other.x1 + slack and self.y1 <= other.y1 + slack


class Item(NamedTuple):
    """A widget or a text as it was drawn, and the part of the window in which it can be seen."""

    name: str
    box: Box
    clip: Box
    lacks: float = 0.0  # width by which the text inside a widget is too long for it

    @property
    def visible(self) -> bool:
        return self.box.overlaps(self.clip)

    def cut(self, slack: float) -> bool:
        """Whether it goes on beyond the side of what is seen; lists may go on below, where they scroll."""
        return self.box.x0 < self.clip.x0 - slack or self.box.x1 > self.clip.x1 + slack or self.lacks > slack

    @property
    def seen(self) -> Box:
        """The part that can be seen."""
        (x0, y0, x1, y1, *rest), clip = self.box, self.clip
        return Box(max(x0, clip.x0), max(y0, clip.y0), min(x1, clip.x1), min(y1, clip.y1), *rest)

    def crosses(self, other: Item, slack: float) -> bool:
        """Whether two cover each other in part; a bar may hold a text whole."""
        a, b = self.seen, other.seen
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        nested = a.inside(b, slack=slack) or b.inside(a, slack=slack)
        return a.window == b.window and width > slack and height > slack and not nested


class UiDriver:
    """Install before the first frame; the code under test must call ``psim.X(…)``."""

    def __init__(self) -> None:
        self.widgets: dict[str, Box] = {}
        self.windows: dict[str, Box] = {}
        self.overflow: dict[str, tuple[float, float]] = {}
        self.texts: dict[str, int] = {}  # text → frame that drew it last
        self.frame = 0
        self._items: list[Item] = []  # of the frame that was drawn last
        self._original: dict[tuple[Any, str], Callable[..., Any]] = {}
        self._ids: list[str] = []
        self._plot = ""
        self._open: list[str] = []

    # --- recording

    def install(self) -> None:
        for name in _WIDGETS:
            special = {"Selectable": self._after_selectable, **dict.fromkeys(_INSIDE, self._after_field(name))}
            self._wrap(name, special.get(name, self._after_widget))
        for name in ("Text", "TextUnformatted", "TextDisabled", "TextColored", "TextWrapped"):
            self._wrap(name, self._after_text)
        self._wrap("PushID", lambda result, label, *_: self._ids.append(str(label)))
        self._wrap("PopID", lambda result: self._ids.pop())
        self._wrap("Begin", self._after_begin)
        self._wrap("End", None, before=self._before_end)
        self._wrap("BeginPlot", self._after_begin_plot, module=implot)
        self._wrap("EndPlot", None, before=self._before_end_plot, module=implot)

    def uninstall(self) -> None:
        for (module, name), function in self._original.items():
            setattr(module, name, function)
        self._original.clear()

    def _wrap(
        self,
        name: str,
        after: Callable[..., Any] | None,
        before: Callable[[], Any] | None = None,
        *,
        module: Any = psim,
    ) -> None:
        original = getattr(module, name)
        self._original[module, name] = original

        @functools.wraps(original)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if before is not None:
                before()
            result = original(*arguments, **options)
            if after is not None:
                after(result, *arguments)
            return result

        setattr(module, name, wrapped)

    def _after_begin_plot(self, result: Any, label: str, *_: Any) -> None:
        self._plot = "plot " + label.strip("#")

    def _before_end_plot(self) -> None:
        """The area inside the axes, as a widget called ``plot`` and the plot's name."""
        (x, y), (width, height) = implot.GetPlotPos(), implot.GetPlotSize()
        window = self._open[-1] if self._open else ""
        y0, y1 = self._within_child(window, y, y + height)
        self.widgets[self._plot] = Box(x, y0, x + width, y1, window, self.frame)

    def _after_widget(self, result: Any, label: str, *_: Any) -> None:
        visible, _, hidden = label.partition("##")
        name = "/".join([*self._ids, visible or hidden.strip("#")])
        (x0, y0), (x1, y1) = psim.GetItemRectMin(), psim.GetItemRectMax()
        self._note_item(name)
        if psim.IsItemVisible():
            window = self._open[-1] if self._open else ""
            y0, y1 = self._within_child(window, y0, y1)
            self.widgets[name] = Box(x0, y0, x1, y1, window, self.frame)

    def _after_selectable(self, result: Any, label: str, *_: Any) -> None:
        """Half the space between two widgets is selected with it on each side."""
        self._after_widget(result, label)
        (x0, y0, x1, y1, *rest), spare = self._items[-1].box, psim.GetStyle().ItemSpacing[0] / 2
        self._items[-1] = self._items[-1]._replace(box=Box(x0 + spare, y0, x1 - spare, y1, *rest))

    def _after_field(self, name: str) -> Callable[..., None]:
        """For a widget that writes a text inside itself."""

        def after(result: Any, label: str, *arguments: Any) -> None:
            self._after_widget(result, label)
            style, (x0, _, x1, *_) = psim.GetStyle(), self._items[-1].box
            room = x1 - x0 - (psim.GetFrameHeight() if name == "BeginCombo" else 0.0)
            wide = psim.CalcTextSize(_INSIDE[name](label.partition("##")[0], *arguments))[0]
            if x1 > x0:
                self._items[-1] = self._items[-1]._replace(lacks=wide - max(room - style.FramePadding[0], 0.0))

        return after

    def _within_child(self, window: str, y0: float, y1: float) -> tuple[float, float]:
        """The part of a height that a scrolling child of a window shows; the window itself hides nothing."""
        (_, y), (_, height) = psim.GetWindowPos(), psim.GetWindowSize()
        box = self.windows.get(window)
        if box is None or height >= box.y1 - box.y0:
            return y0, y1
        return max(y0, y), min(y1, y + height)

    def _after_text(self, result: Any, *arguments: Any) -> None:
        self.texts[str(arguments[-1])] = self.frame
        self._note_item(str(arguments[-1]))

    def _note_item(self, name: str) -> None:
        (x0, y0), (x1, y1) = psim.GetItemRectMin(), psim.GetItemRectMax()
        box = Box(x0, y0, x1, y1, self._open[-1] if self._open else "", self.frame)
        draw = psim.GetWindowDrawList()
        if self._items and self._items[-1].box.frame != self.frame:
            self._items = []
        self._items.append(Item(name, box, Box(*draw.GetClipRectMin(), *draw.GetClipRectMax())))

    def items(self) -> list[Item]:
        """The widgets and texts that can be seen, in part at least, in the frame that was drawn last."""
        return [item for item in self._items if item.visible and item.box.x1 - item.box.x0 > 1]

    def misdrawn(self) -> list[str]:
        """What is cut at a side or covers something else in part, in words."""
        items, slack = self.items(), psim.GetFontSize() / 3  # less than a letter
        found = [f"{item.box.window}: {item.name!r} is cut" for item in items if item.cut(slack)]
        for one, other in combinations(items, 2):
            if one.crosses(other, slack):
                found.append(f"{one.box.window}: {one.name!r} and {other.name!r} cover each other")
        return list(dict.fromkeys(found))

    def _after_begin(self, result: Any, name: str, *_: Any) -> None:
        (x, y), (width, height) = psim.GetWindowPos(), psim.GetWindowSize()
        self.windows[name] = Box(x, y, x + width, y + height, name, self.frame)
        self._open.append(name)

    def _before_end(self) -> None:
        self.overflow[self._open.pop()] = (psim.GetScrollMaxX(), psim.GetScrollMaxY())

    # --- acting

    def begin(self) -> None:
        """A new frame, before anything is drawn in it."""
        self.frame += 1
        self._ids.clear()
        self._open.clear()

    def frames(self, count: int = 1) -> None:
        for _ in range(count):
            self.begin()
            ps.frame_tick()

    def until(self, condition: Callable[[], Any], *, frames: int = 3000) -> None:
        """Draw frames until something holds."""
        for _ in range(frames):
            if condition():
                return
            self.frames()
        raise AssertionError(f"still not so after {frames} frames")

    def shows(self, text: str) -> bool:
        """Whether some text drawn in the last frame contains this."""
        return any(text in shown for shown, frame in self.texts.items() if frame >= self.frame)

    def box(self, name: str) -> Box:
        box = self.widgets.get(name)
        assert box is not None, f"no widget {name!r}; there are {sorted(self.widgets)}"
        assert box.frame >= self.frame, f"{name!r} is no longer drawn"
        return box

    def place(self, name: str, fx: float = 0.5, fy: float = 0.5) -> tuple[float, float]:
        box = self.box(name)
        return box.x0 + fx * (box.x1 - box.x0), box.y0 + fy * (box.y1 - box.y0)

    def move(self, x: float, y: float) -> None:
        psim.GetIO().AddMousePosEvent(float(x), float(y))
        self.frames(2)

    def press(self) -> None:
        psim.GetIO().AddMouseButtonEvent(0, True)
        self.frames(1)

    def release(self) -> None:
        psim.GetIO().AddMouseButtonEvent(0, False)
        self.frames(2)

    def click(self, name: str, fx: float = 0.5, fy: float = 0.5) -> None:
        self.move(*self.place(name, fx, fy))
        self.press()
        self.release()

    def drag(self, name: str, start: float, end: float, *, steps: int = 5) -> None:
        """Drag along a widget, from one share of its width to another."""
        (x0, y), (x1, _) = self.place(name, start), self.place(name, end)
        self.move(x0, y)
        self.press()
        for i in range(1, steps + 1):
            self.move(x0 + (x1 - x0) * i / steps, y)
        self.release()

    def scroll_to(self, name: str, window: str) -> None:
        """Turn the wheel over a window until a widget of it is drawn, going through all of it once."""
        box = self.windows[window]
        self.move((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        for turn in [50.0] + [-1.0] * 40:  # One step is two thirds of the height.
            psim.GetIO().AddMouseWheelEvent(0.0, turn)
            self.frames(3)
            if (found := self.widgets.get(name)) is not None and found.frame >= self.frame:
                return
        raise AssertionError(f"no {name!r} in {window}")

    def type(self, text: str) -> None:
        for character in text:
            psim.GetIO().AddInputCharacter(ord(character))
            self.frames(1)

    def key(self, name: str, *, ctrl: bool = False, shift: bool = False, strike: bool = False) -> None:
        """Press a key and let it go.

        Args:
            strike: So shortly that Ctrl and Shift are up again before the frame in which the key arrives is drawn.
        """
        io, key = psim.GetIO(), getattr(psim, f"ImGuiKey_{name}")
        modifiers = [psim.ImGuiMod_Ctrl] * ctrl + [psim.ImGuiMod_Shift] * shift

        def let_go() -> None:
            for modifier in modifiers:
                io.AddKeyEvent(modifier, False)

        for modifier in modifiers:
            io.AddKeyEvent(modifier, True)
        if strike:
            self.frames(1)
        io.AddKeyEvent(key, True)
        if strike:
            let_go()
        self.frames(1)
        io.AddKeyEvent(key, False)
        if not strike:
            let_go()
        self.frames(2)

    def enter_number(self, name: str, text: str) -> None:
        """Replace the content of a number field and press Enter."""
        self.click(name)
        self.key("A", ctrl=True)
        self.type(text)
        self.key("Enter")
