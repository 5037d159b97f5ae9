"""Fixtures of exchanges that answer on this machine."""

from collections.abc import Iterator

import pytest

from market_data.fetch import download
from support.exchange_server import ExchangeServer


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExchangeServer]:
    """A server of exchanges, which `crypto fetch` asks instead of the real ones."""
    server = ExchangeServer()
    monkeypatch.setattr(download.RETRY, "backoff_factor", 0.01)
    monkeypatch.setattr(download, "FIRST_WAIT", 0.01)
    download.session.cache_clear()
    monkeypatch.setenv("CRYPTO_EXCHANGE_MIRROR", server.address)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    yield server
    server.stop()
    download.session.cache_clear()
