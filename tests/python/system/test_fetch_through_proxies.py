"""`crypto fetch` from behind a proxy: the user's HTTPS_PROXY and SSL_CERT_FILE hold for archives and APIs alike."""

import ssl
import subprocess
from datetime import date

import pytest
from support.exchange_server import DAY, ExchangeServer, day_start, made
from support.fetching import fetched, landed
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from market_data.fetch import download

AUGUST = day_start(date(2024, 8, 1))
SOURCES = [("binance", "BTCUSDT"), ("kraken", "XBTUSD")]


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    # What is asked is a server of this machine, whatever its name, and no answer will be another one later.
    monkeypatch.setattr(download, "is_local", lambda settings: True)
    monkeypatch.setattr(download, "FIRST_WAIT", 0.01)
    download.session.cache_clear()
    yield
    download.session.cache_clear()


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 that no system knows, and its key, in one file."""
    path = tmp_path / "server.pem"
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=company", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *new, *names, "-keyout", path, "-out", tmp_path / "authority.pem"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "authority.pem").read_text())
    return path


def has_trades(server: ExchangeServer) -> None:
    server.has("Binance", "BTCUSDT", made("Binance", AUGUST, AUGUST + DAY, 50))
    server.has("Kraken", "XBTUSD", made("Kraken", AUGUST - DAY, AUGUST + 2 * DAY, 50))


@pytest.mark.parametrize(("exchange", "market"), SOURCES)
def test_authorities_that_the_user_names_are_trusted_and_others_are_not(
    exchange, market, certificate, tmp_path, monkeypatch
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ExchangeServer(context)
    has_trades(server)
    given = {"CRYPTO_HOME": str(tmp_path / "home"), "CRYPTO_EXCHANGE_MIRROR": server.address}
    settings = settings_module.load(no_settings() | given, PROJECT)
    try:
        with pytest.raises(CryptoError, match=r"can't be reached \(.*(?i:certificate).*SSL_CERT_FILE"):
            fetched(settings, monkeypatch, exchange, market, since="2024-08-01")
        assert not landed(settings)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        download.session.cache_clear()
        fetched(settings, monkeypatch, exchange, market, since="2024-08-01")
        assert len(landed(settings)) == 1
    finally:
        server.stop()


@pytest.mark.parametrize(("exchange", "market"), SOURCES)
def test_the_proxy_of_the_environment_is_asked(exchange, market, tmp_path, monkeypatch, exchanges):
    monkeypatch.delenv("NO_PROXY", raising=False)
    has_trades(exchanges)
    # A host that does not exist can be reached only through the proxy, which gets the whole address.
    given = {"CRYPTO_HOME": str(tmp_path / "home"), "CRYPTO_EXCHANGE_MIRROR": "http://mirror.invalid"}
    settings = settings_module.load(no_settings() | given, PROJECT)
    monkeypatch.setenv("HTTP_PROXY", exchanges.address)
    monkeypatch.setenv("http_proxy", exchanges.address)
    fetched(settings, monkeypatch, exchange, market, since="2024-08-01")
    assert len(landed(settings)) == 1 and exchanges.requests
