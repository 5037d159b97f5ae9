"""How PySpark's client reaches an engine."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pyspark.sql.connect.client import DefaultChannelBuilder


class EngineChannel(DefaultChannelBuilder):
    """A channel to an engine of this machine: ``target`` is gRPC's name of it, ``token`` goes with each call.

    PySpark's own parameter for a token takes only TLS, or the name ``localhost``, whose other address ``::1`` anyone
    may listen on.
    """

    def __init__(self, target: str, session: str, token: str, options: list[tuple[str, Any]]) -> None:
        authorization = f";authorization={quote('Bearer ' + token)}" if token else ""
        super().__init__(f"sc://127.0.0.1/;session_id={session}{authorization}", options)
        self._target = target

    @property
    def endpoint(self) -> str:
        """What gRPC connects to."""
        return self._target
