"""A server that is not local is trusted by its certificate only: right CA well, anything else one plain sentence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from support.databases import SYSTEMS, WHY_NO_SYSTEMS, Lake, Server, count, lakes_in_memory, proxy
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import postgres
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.postgres import embedded, migrate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has 127.0.0.2, which counts as remote")

NAMED, OTHER = "127.0.0.2", "127.0.0.3"


def openssl(*arguments: str, folder: Path) -> None:
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *new, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with two CAs, ``ca`` and ``stranger``, and a server's certificate of the first."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "stranger"):
        openssl("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", folder=folder)
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=IP:{NAMED}", "-subj", "/CN=server"]
    openssl(*signed, "-keyout", "server.key", "-out", "server.pem", folder=folder)
    return folder


@pytest.fixture(scope="module")
def tls_server(certificates, tmp_path_factory):
    """The system's server with that certificate: the embedded one is built without TLS."""
    if SYSTEMS is None:
        pytest.skip(WHY_NO_SYSTEMS)
    server = Server(tmp_path_factory.mktemp("tls"), SYSTEMS)
    server.start()
    owner = server.embedded.data.stat()
    for name in ("server.key", "server.pem"):
        place = shutil.copy(certificates / name, server.embedded.data)
        os.chown(place, owner.st_uid, owner.st_gid)
        os.chmod(place, 0o600)
    with psycopg.connect(**server.embedded.values(), autocommit=True) as connection:
        for name, value in {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key", "ssl": "on"}.items():
            connection.execute(f"alter system set {name} = '{value}'")
        connection.execute("select pg_reload_conf()")
    yield server
    server.stop()


def remote(server: Server, base, port: int, host: str = NAMED, **given: str):
    """Settings of a user whose server is at that address; no sslmode is named."""
    values = server.database(base).postgres
    given |= {"DB_ENDPOINT": host, "DB_PORT": str(port), "DB_NAME": values.name, "DB_USER": values.user}
    return settings_module.load(no_settings() | given | {"DB_PASSWORD": values.password, "CRYPTO_HOME": str(base.home)})


def test_the_right_ca_is_enough(tls_server, certificates, settings):
    with proxy(tls_server.embedded.values()["port"], lambda data: False, host=NAMED) as port:
        found = remote(tls_server, settings, port, DB_SSLROOTCERT=str(certificates / "ca.pem"))
        assert found.postgres.sslmode == "verify-full"
        with postgres.connect(found) as connection:
            query = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
            encrypted, version = connection.execute(query).fetchone()
            assert encrypted and version >= "TLSv1.2"
            migrate.migrate(connection)
        with psycopg.connect(postgres.url(found)) as connection:
            assert connection.info.get_parameters()["sslmode"] == "verify-full"
        with lakes_in_memory():
            Lake(found).publish()
        assert count(found, "crypto.daily_metrics") == 20


@pytest.mark.parametrize(
    ("ca", "host", "sentence"),
    [
        ("stranger.pem", NAMED, r"a certificate of a CA that is not in .*stranger\.pem; name the CA file"),
        ("", NAMED, "a certificate of an unknown CA; name the CA file of this server in DB_SSLROOTCERT"),
        ("ca.pem", OTHER, "a certificate for another host; set DB_ENDPOINT to the name in that certificate"),
    ],
)
def test_a_server_that_cannot_prove_itself_is_one_sentence(tls_server, certificates, settings, ca, host, sentence):
    with proxy(tls_server.embedded.values()["port"], lambda data: False, host=host) as port:
        file = str(certificates / ca) if ca else ""
        found = remote(tls_server, settings, port, host, DB_SSLROOTCERT=file)
        with pytest.raises(CryptoError, match=f"^Postgres at {host}:{port} shows {sentence}") as caught:
            postgres.connect(found)
    assert "\n" not in str(caught.value)
    assert found.postgres.password not in str(caught.value)


def test_a_remote_server_without_tls_gets_no_password(tmp_path_factory, settings):
    server = Server(tmp_path_factory.mktemp("plain"), embedded.binaries())
    server.start()
    sent = []
    try:
        with proxy(server.embedded.values()["port"], lambda data: bool(sent.append(data)), host=NAMED) as port:
            found = remote(server, settings, port)
            with pytest.raises(CryptoError, match="offers no TLS, which sslmode 'verify-full' requires"):
                postgres.connect(found)
    finally:
        server.stop()
    # The client asks for TLS (8 bytes) and says nothing more.
    assert {len(data) for data in sent} == {8}


@pytest.mark.long
@pytest.mark.parametrize(("ca", "works"), [("ca.pem", True), ("stranger.pem", False)])
def test_dbt_verifies_as_well(tls_server, certificates, settings, ca, works):
    with proxy(tls_server.embedded.values()["port"], lambda data: False, host=NAMED) as port:
        server = remote(tls_server, settings, port, DB_SSLROOTCERT=str(certificates / ca)).postgres
        given = {"CRYPTO_HOME": str(settings.home), "DB_ENDPOINT": NAMED, "DB_PORT": str(port)}
        given |= {"DB_NAME": server.name, "DB_USER": server.user, "DB_PASSWORD": server.password}
        given |= {"DB_SSLROOTCERT": server.sslrootcert, "DBT_TARGET_PATH": str(settings.home / "target")}
        done = subprocess.run(
            [Path(sys.prefix) / "bin" / "dbt", "debug", "--target", "postgres", "--connection"],
            cwd=PROJECT,
            env=os.environ | no_settings() | given | {"DBT_LOG_PATH": str(settings.home / "logs")},
            capture_output=True,
            text=True,
            check=False,
        )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == works, said
    assert works or "certificate verify failed" in said
