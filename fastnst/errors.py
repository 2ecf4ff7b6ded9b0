"""How every command ends that cannot do what was asked: its errors, its warnings and its exit codes."""

# Exit codes of `fastnst`, `python -m train`, `python -m train.evaluate` and `python -m export`.
MISTAKE = 2
INTERRUPTED = 130  # 128 and the number of the signal, as shells report it


class FastnstError(Exception):
    """A mistake in what the user gave, not in the program.

    The message is one line that says what is wrong and what to do about it. Commands print it without a
    traceback and exit with code 2; library callers may catch it.
    """


class FastnstWarning(UserWarning):
    """Something went on in another way than the user may expect, such as on the CPU instead of the GPU."""
