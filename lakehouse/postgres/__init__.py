"""Postgres: the user's own server or the one embedded in the data home, and the migrations of schema ``crypto``."""

from lakehouse.postgres.connection import (
    Status,
    connect,
    ensure,
    ignore_libpq_environment,
    start,
    status,
    stop,
    url,
    values,
)

__all__ = ["Status", "connect", "ensure", "ignore_libpq_environment", "start", "status", "stop", "url", "values"]
