"""The clock books every moment once, to the innermost part."""

import pytest

from optim.common.timing import REST, clocked, section, timed


class Time:
    """A clock's hand that moves when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += seconds


def test_parts_are_booked_without_what_runs_inside_them():
    now = Time()

    @timed("inner")
    def inner(again: bool = False) -> str:
        now.passes(4)
        return inner() if again else "done"

    @timed("outer")
    def outer() -> str:
        now.passes(1)
        result = inner(again=True)
        now.passes(2)
        return result

    with clocked(now) as clock:
        now.passes(16)
        assert outer() == "done"
        with section("block"):
            now.passes(32)
        now.passes(64)
        assert clock.take() == {REST: 80, "outer": 3, "inner": 8, "block": 32}
        assert sum(clock.take().values()) == 0


def test_a_part_ends_with_an_exception():
    now = Time()

    @timed("failing")
    def fail() -> None:
        now.passes(1)
        raise StopIteration

    with clocked(now) as clock:
        for _ in range(2):
            with pytest.raises(StopIteration):
                fail()
            with pytest.raises(KeyError), section("block"):
                now.passes(2)
                raise KeyError
        now.passes(8)
        assert clock.take() == {"failing": 2, "block": 4, REST: 8}


def test_nothing_is_booked_unless_a_clock_runs():
    now = Time()

    @timed("part")
    def work() -> None:
        now.passes(1)

    with clocked(now) as outer:
        with clocked(now) as inner:
            work()
            assert inner.take() == {"part": 1, REST: 0}
        work()
        assert outer.take() == {"part": 1, REST: 1}
    work()
    assert sum(outer.take().values()) == 1, "what passed since, but under no name"
