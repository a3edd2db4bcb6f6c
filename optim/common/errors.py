"""The one exception for bad input from outside: a wrong file, field, shape or option."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message names it, says what came and what to do."""
