"""What users do with widgets: the newest change counts, the program's own changes do not come back."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from viewer.browser.controls import Asked, Inbox, Posting
from viewer.ui.ui_state import UiState


class Widget:
    """A widget that tells of its changes as viser's do."""

    def __init__(self, value: object) -> None:
        self.value = value

    def on_update(self, take) -> None:
        self._take = take

    def change(self, value: object, *, client: int | None) -> None:
        self.value = value
        asyncio.run(self._take(SimpleNamespace(client_id=client)))


def listening(value: object) -> tuple[Inbox, Widget]:
    """A widget whose changes by users become commands."""
    inbox, widget = Inbox(), Widget(value)
    inbox.changed(widget, lambda chosen: [chosen])
    return inbox, widget


def commands(inbox: Inbox) -> list:
    failures: list[Exception] = []
    found = inbox.carry_out(failures.append)
    assert not failures
    return found


def test_of_several_changes_the_newest_counts():
    inbox, widget = listening(0)
    for value in (1, 2, 3):
        widget.change(value, client=7)
    assert commands(inbox) == [3] and commands(inbox) == []


def test_a_change_that_the_program_made_is_none_of_a_user():
    inbox, widget = listening(0)
    widget.change(5, client=None)
    assert commands(inbox) == []


def test_the_state_does_not_overwrite_what_a_user_has_just_chosen():
    inbox, widget = listening(0)
    widget.change(5, client=7)
    inbox.show(widget, 0)
    assert widget.value == 5
    commands(inbox)
    inbox.show(widget, 0)
    assert widget.value == 0


def test_an_action_that_fails_does_not_hold_up_the_others():
    inbox, failures = Inbox(), []
    inbox.put(lambda: [1 / 0])
    inbox.put(lambda: ["after"])
    assert inbox.carry_out(failures.append) == ["after"] and len(failures) == 1


def test_what_was_asked_for_is_shown_until_the_worker_has_obeyed():
    ui = UiState(posted=4)
    asked = Asked(ui)
    asked.ask("speed", 2.0)
    assert asked.value("speed", SimpleNamespace(obeyed=4), None) == 2.0
    ui.count_posted(2)  # the turn had two commands, and the view does not say which of them was this one
    assert asked.value("speed", SimpleNamespace(obeyed=5), None) == 2.0
    assert asked.value("speed", SimpleNamespace(obeyed=6), 10.0) == 10.0
    assert asked.value("speed", SimpleNamespace(obeyed=7), None) is None


def test_a_worker_that_was_started_again_is_not_waited_for():
    ui = UiState(posted=4)
    posting = Posting(ui)
    ui.count_posted(1)
    assert not posting.obeyed(SimpleNamespace(obeyed=4))
    ui.posted = 0
    assert posting.obeyed(SimpleNamespace(obeyed=0))
