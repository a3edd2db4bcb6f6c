"""The exception for bad input from outside: a wrong file, field, shape or option."""


class InputError(ValueError):
    """Input of the user that cannot be used. The message names the file or field, what came, and what to do."""
