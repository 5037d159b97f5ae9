"""The one kind of error that a user is meant to read."""

import re
import sys


class CryptoError(Exception):
    """One plain sentence that says what is wrong and what to do; never holds a secret."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, short enough for a sentence."""
    text = str(error).strip() or type(error).__name__
    # gRPC describes a lost connection over several lines; what happened stands in the one named "details".
    details = re.search(r'^\s*details = "(.*)"$', text, re.MULTILINE)
    return (details[1] if details else text).splitlines()[0][:200].rstrip(".")


def to_stderr(text: str) -> None:
    """Print a line that is not part of a command's output."""
    print(text, file=sys.stderr, flush=True)
