"""How commands end: bad input is one line and status 2, Ctrl-C 130, any other error is not hidden."""

from __future__ import annotations

import pytest

from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status


@with_exit_status
def main(arguments, *, error=None):
    """A command that raises what it is given."""
    if error is not None:
        raise error
    return len(arguments)


def test_a_command_without_errors_keeps_its_own_status():
    assert main([]) == 0 and main(["a", "b", "c"]) == 3


def test_bad_input_is_one_line_and_status_2(capsys):
    assert main([], error=InputError("a.npz: no such file")) == 2
    assert capsys.readouterr() == ("", "error: a.npz: no such file\n")


def test_an_interrupt_is_status_130(capsys):
    assert main([], error=KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "")


def test_a_mistake_of_ours_is_shown():
    with pytest.raises(ZeroDivisionError):
        main([], error=ZeroDivisionError())


def test_a_command_keeps_its_name_and_help():
    assert main.__name__ == "main" and main.__doc__.startswith("A command")
