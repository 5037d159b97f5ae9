"""The one kind of error that a user is meant to read."""

import re
import sys
from collections.abc import Iterable

# What stands before the @ of an address, and what follows a word such as password: credentials, whoever wrote them.
ADDRESS = re.compile(r"(://)[^\s'\"]*@")
NAMED = re.compile(r"(?i)\b((?:password|passwd|pwd|token|secret|access_?key)['\"]?\s*[=:]\s*['\"]?)[^\s'\";&]+")
_hidden: set[str] = set()


class CryptoError(Exception):
    """One plain sentence that says what is wrong and what to do; never holds a secret."""


def hide(secret: str) -> None:
    """Remember a secret that no text may show; a plain word is left alone, since it also stands in ordinary text."""
    if len(secret) >= 8 and not secret.isalpha():
        _hidden.add(secret)


def mask(text: str) -> str:
    """Return a text without credentials: known secrets, and what looks like one in an address or after its name."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return NAMED.sub(r"\1***", ADDRESS.sub(r"\1***@", text))


def find_sentence(sentences: Iterable[tuple[str, str]], text: str, **facts: object) -> str | None:
    """Return the sentence of the first pattern that is found in another program's text, None if none is.

    ``sentences`` are pairs of a regular expression and a sentence, which is filled with the groups found and ``facts``.
    """
    for pattern, sentence in sentences:
        if found := re.search(pattern, text):
            return sentence.format(*found.groups(), **facts)
    return None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, short enough for a sentence."""
    text = str(error).strip() or type(error).__name__
    # gRPC describes a lost connection over several lines; what happened stands in the one named "details".
    details = re.search(r'^\s*details = "(.*)"$', text, re.MULTILINE)
    return mask((details[1] if details else text).splitlines()[0])[:200].rstrip(".")


def to_stderr(text: str) -> None:
    """Print a line that is not part of a command's output."""
    print(text, file=sys.stderr, flush=True)
