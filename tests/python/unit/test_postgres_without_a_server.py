"""What is said when the embedded Postgres can't start at all."""

from dataclasses import replace

import pytest

from lakehouse import ports, postgres, settings
from lakehouse.errors import CryptoError
from lakehouse.postgres import embedded


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    given = replace(settings.load({"CRYPTO_HOME": str(tmp_path)}), home=tmp_path / "file" / "home")
    with pytest.raises(CryptoError, match=r"^The data home .* can't be used for Postgres .*CRYPTO_HOME.*\.$"):
        postgres.connect(given)


def test_missing_programs_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    given = settings.load({"CRYPTO_HOME": str(tmp_path / "home")})
    with pytest.raises(CryptoError, match=r"^Postgres is not installed; install requirements/main\.txt.*\.$"):
        postgres.connect(given)


def test_the_cause_is_the_error_before_a_panic(tmp_path):
    server = embedded.Embedded(tmp_path)
    server.log.parent.mkdir(parents=True)
    server.log.write_text(
        "[1] FATAL:  could not resize shared memory\n[1] PANIC:  cannot abort transaction 1\nAborted\n"
    )
    assert "could not start (could not resize shared memory)" in str(server._failure("start"))


def test_no_free_port_is_one_sentence(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(CryptoError, match=r"^No port of 127\.0\.0\.1 is free"):
        ports.free_port()
