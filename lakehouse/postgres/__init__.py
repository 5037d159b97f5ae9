"""Postgres: the user's own server or the one embedded in the data home, and the migrations of schema ``crypto``."""

from lakehouse.postgres.connection import (
    ServerStatus,
    connect,
    ensure,
    ignore_libpq_environment,
    start,
    status,
    stop,
    url,
    values,
)

__all__ = ["ServerStatus", "connect", "ensure", "ignore_libpq_environment", "start", "status", "stop", "url", "values"]
