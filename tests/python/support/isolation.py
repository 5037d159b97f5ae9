"""Settings of a test, in which nothing of the user's own is left."""

from lakehouse.settings import NAMES


def no_settings() -> dict[str, str]:
    """Return an environment that hides all settings of a user but the data home, which a test chooses."""
    return {name: "" for name in NAMES if name != "CRYPTO_HOME"}
