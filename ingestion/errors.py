"""The one kind of error a user is meant to read."""


class CryptoError(Exception):
    """One plain sentence that says what is wrong and what to do; never holds a secret."""
