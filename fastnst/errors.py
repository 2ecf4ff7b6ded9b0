"""The error that every command turns into one line and exit code 2, and the warning it prints as one line."""


class FastnstError(Exception):
    """A mistake in what the user gave, not in the program.

    The message is one line that says what is wrong and what to do about it. Commands print it without a
    traceback and exit with code 2; library callers may catch it.
    """


class FastnstWarning(UserWarning):
    """Something went on in another way than the user may expect, such as on the CPU instead of the GPU."""
