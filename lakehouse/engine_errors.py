"""What a failure of the engine means, in a sentence that says what to do."""

from __future__ import annotations

from lakehouse.errors import find_sentence
from lakehouse.settings import Settings
from lakehouse.storage import s3

SENTENCES = (
    (
        "Resources exhausted",
        "The engine needs more memory than the {memory} of CRYPTO_ENGINE_MEMORY; "
        "set it higher, as in CRYPTO_ENGINE_MEMORY=6g, and run again.",
    ),
    (
        "No commit files found in _delta_log|DELTA_(TABLE_NOT_FOUND|PATH_DOES_NOT_EXIST|LOG_FILE_NOT_FOUND)",
        "A table that the running engine knows has lost its files; run `crypto engine stop`, then `crypto run`, "
        "which builds it anew.",
    ),
)


def explain(settings: Settings, error: BaseException) -> str | None:
    """Return the sentence for an error of the engine; None if its own message has to do."""
    text = str(error)
    return find_sentence(SENTENCES, text, memory=settings.engine_memory) or s3.explain(settings, text)
