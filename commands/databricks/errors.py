"""Explain errors of Databricks in one sentence each; dbt has printed the full error before."""

from __future__ import annotations

from lakehouse.errors import find_sentence

# The first pattern that matches is used, so a cause stands before its consequences.
SENTENCES: tuple[tuple[str, str], ...] = (
    (r"CryptoError: ([^\n]+)", "{0}"),
    (
        r"http-code=40[13]|Invalid access token|[Tt]oken (?:is|has) expired|invalid_client|ExpiredJwt",
        "Databricks refuses the credentials, which may have expired: make a new DATABRICKS_TOKEN or log in again, "
        "and make sure that this user can use the warehouse of DATABRICKS_HTTP_PATH.",
    ),
    (
        r"(?:NO_SUCH_CATALOG_EXCEPTION|CATALOG_NOT_FOUND|Catalog)[^\n]*?[`']([^`'\n]+)[`'][^\n]*?"
        r"(?:not found|does not exist|cannot be found)",
        "There is no catalog {0!r}; set DATABRICKS_CATALOG to one that exists, or create it.",
    ),
    (
        r"SCHEMA_NOT_FOUND[^\n]*?[`']([^`'.\n]+)[`'] cannot be found",
        "There is no catalog or schema {0!r}; check DATABRICKS_CATALOG, and land trades before the first build.",
    ),
    (
        r"(?:PERMISSION_DENIED|INSUFFICIENT_PERMISSIONS)[^\n]*?([Uu]ser does not have [^\n.]+)",
        "Databricks denies it ({0}); let the owner grant that privilege to this user.",
    ),
    (
        r"PERMISSION_DENIED|INSUFFICIENT_PERMISSIONS",
        "Databricks denies a permission, which is named above; let the owner grant it to this user.",
    ),
    (
        r"http-code=404|RESOURCE_DOES_NOT_EXIST[^\n]*(?:warehouse|endpoint)",
        "There is no SQL warehouse at this path; copy DATABRICKS_HTTP_PATH from the warehouse's connection details.",
    ),
    (
        r"Failed to resolve|Name or service not known|nodename nor servname|getaddrinfo failed",
        "The host of the workspace is not known; check DATABRICKS_HOST.",
    ),
    (
        r"The config '(host|http_path)' is required to connect to Databricks",
        "The target databricks needs DATABRICKS_HOST and DATABRICKS_HTTP_PATH; set them in the environment or in .env.",
    ),
)


def explain(text: str) -> str | None:
    """Return the sentence that explains an error in dbt's output, None if no pattern matches."""
    return find_sentence(SENTENCES, text)
