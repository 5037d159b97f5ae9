"""The embedded server: it starts, survives what kills it, and says in one sentence what it can't do."""

import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from lakehouse import postgres, settings
from lakehouse.errors import CryptoError


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Settings of a data home, with a space in its name, whose server stops after the last test."""
    given = settings.load({"CRYPTO_HOME": str(tmp_path_factory.mktemp("a home") / "data home")})
    yield given
    postgres.stop(given)


def pid(home) -> int:
    return int((home.home / "postgres/data/postmaster.pid").read_text().split()[0])


def one(home, query: str):
    with postgres.connect(home) as connection:
        return connection.execute(query).fetchone()[0]


def test_starts_at_first_use_and_keeps_to_itself(home):
    values = postgres.values(home)
    assert not postgres.status(home).running
    assert one(home, "select current_user") == "crypto"
    assert one(home, "show listen_addresses") == "127.0.0.1"
    assert one(home, "show unix_socket_directories") == ""
    assert one(home, "show server_encoding") == "UTF8"
    assert postgres.status(home) == postgres.ServerStatus(True, True, "127.0.0.1", values["port"])
    folder = home.home / "postgres"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600


def test_a_second_use_meets_the_same_server(home):
    postgres.ensure(home)
    before = pid(home)
    postgres.ensure(home)
    assert pid(home) == before


def test_any_client_connects_with_the_url(home):
    postgres.ensure(home)
    with psycopg.connect(postgres.url(home)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_wrong_password_does_not_open_the_server(home):
    postgres.ensure(home)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**postgres.values(home) | {"password": "guessed"})


def test_does_not_run_as_root(home):
    postgres.ensure(home)
    if not Path("/proc").is_dir():
        pytest.skip("this system has no /proc to ask for a process's user")
    owner = Path(f"/proc/{pid(home)}").stat().st_uid
    assert owner == (home.home / "postgres").stat().st_uid != 0


def test_changes_no_permission_outside_its_folder(tmp_path):
    shut = tmp_path / "only mine"
    shut.mkdir(mode=0o700)
    given = settings.load({"CRYPTO_HOME": str(shut / "home")})
    assert one(given, "select 1") == 1
    postgres.stop(given)
    assert stat.S_IMODE(shut.stat().st_mode) == 0o700
    assert shut.stat().st_uid == (shut / "home").stat().st_uid == os.geteuid()


def test_a_killed_server_is_replaced_with_what_it_held(home):
    with postgres.connect(home, autocommit=True) as connection:
        connection.execute("create table if not exists kept as select 7 as value")
    before = pid(home)
    os.kill(before, signal.SIGKILL)
    assert one(home, "select value from kept") == 7
    assert pid(home) != before


def test_a_pid_file_of_another_life_is_no_obstacle(home):
    """After a restart of the machine the file can name any process, such as this one."""
    postgres.ensure(home)
    text = (home.home / "postgres/data/postmaster.pid").read_text()
    postgres.stop(home)
    (home.home / "postgres/data/postmaster.pid").write_text(text.replace(text.split()[0], str(os.getpid()), 1))
    assert not postgres.status(home).running
    assert one(home, "select 1") == 1


def test_an_occupied_port_is_left_alone(home):
    port = postgres.values(home)["port"]
    postgres.stop(home)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert one(home, "select 1") == 1
        assert postgres.values(home)["port"] != port


def test_stopping_twice_is_no_error(home):
    postgres.ensure(home)
    assert not postgres.stop(home).running
    assert not postgres.stop(home).running


def test_two_processes_at_once_start_one_server(tmp_path):
    given = settings.load({"CRYPTO_HOME": str(tmp_path / "home")})
    script = (
        "import sys; from lakehouse import postgres, settings\n"
        "given = settings.load({'CRYPTO_HOME': sys.argv[1]})\n"
        "print(postgres.connect(given).execute('select pg_postmaster_start_time()').fetchone()[0])"
    )
    command = [sys.executable, "-c", script, str(given.home)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=given.project) for _ in range(3)]
    answers = {child.communicate()[0] for child in children}
    postgres.stop(given)
    assert len(answers) == 1
    assert answers != {b""}


def test_a_half_made_data_folder_is_made_anew(tmp_path):
    given = settings.load({"CRYPTO_HOME": str(tmp_path / "home")})
    partial = given.home / "postgres" / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("16\n")
    assert one(given, "select 1") == 1
    postgres.stop(given)


def test_what_the_server_says_at_its_end_reaches_the_user(tmp_path):
    given = settings.load({"CRYPTO_HOME": str(tmp_path / "home")})
    postgres.ensure(given)
    postgres.stop(given)
    with (given.home / "postgres/data/postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'plenty'\n")
    with pytest.raises(CryptoError, match=r"could not start \(configuration file .* contains errors\)"):
        postgres.ensure(given)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password": "s3cret"}, "refuses the password of user 'crypto'; check DB_USER and DB_PASSWORD"),
        ({"name": "nowhere"}, "has no database 'nowhere'"),
        ({"host": "no-such-host.invalid"}, "The host 'no-such-host.invalid' is not known; check DB_ENDPOINT"),
        ({"port": 1}, "does not answer; check that it runs"),
        ({"sslmode": "require"}, "offers no TLS, which sslmode 'require' requires; turn it on there"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_sentence_without_the_password(home, change, sentence):
    postgres.ensure(home)
    values = postgres.values(home)
    server = settings.Postgres(values["host"], values["port"], "crypto", "crypto", values["password"], "disable", None)
    server = replace(server, **change)
    with pytest.raises(CryptoError, match=sentence) as caught:
        postgres.connect(replace(home, postgres=server))
    assert server.password not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_of_the_users_own_is_not_ours_to_stop(home):
    server = settings.Postgres("db.example.com", 5432, "crypto", "crypto", "p@ss/word", "verify-full", "system")
    own = replace(home, postgres=server)
    for act in (postgres.start, postgres.stop):
        with pytest.raises(CryptoError, match="does not start or stop"):
            act(own)
    address = "postgresql://crypto:p%40ss%2Fword@db.example.com:5432/crypto?sslmode=verify-full&sslrootcert=system"
    assert postgres.url(own) == address
    assert "p@ss/word" not in repr(own)
