"""Another user of the machine can't speak to the engine, whose owner notices nothing."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
from support.isolation import no_settings
from support.project import PROJECT

from commands.inspect import status
from lakehouse import engine
from lakehouse import settings as settings_module
from lakehouse.engine import private_sail, server

NOBODY = 65534
CAP_SYS_ADMIN, PR_CAPBSET_DROP = 21, 24
# Reads through the engine, as another user, a file that this user can't read. All imports come before: the Python of
# the environment may lie where that user can't read it.
ATTEMPT = """
import json, os, sys
import grpc, pandas, pyarrow, pyspark.sql.connect.client.retries, pyspark.sql.connect.session
import lakehouse.engine.channel
from lakehouse.engine import server
state, secret = json.loads(sys.argv[1]), sys.argv[2]
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))
try:
    open(secret)
except PermissionError:
    spark = server.open_session(server.Engine(**state))
    print(spark.read.text(secret).collect())
"""
# Runs Sail as another user, in this process: the Python of the environment may lie where that user can't read it.
SERVE = """
import os, sys
import concurrent.futures.thread, encodings.idna, pysail.spark
sys.path.append(sys.argv[1])
import private_sail
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))
# Until its next program, a process that has changed its user may not write to its own files in /proc.
private_sail.call("prctl", 4, 1)
private_sail.serve(sys.argv[2])
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has network namespaces")


def run(script, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


def read_as_another_user(state, secret):
    return run(ATTEMPT, json.dumps(state), str(secret), str(NOBODY))


@pytest.fixture
def homes():
    """Make data homes below a folder that every user may enter, unlike pytest's; their engines are stopped."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        made = []

        def home(name):
            given = {"CRYPTO_HOME": f"{folder}/{name}", "CRYPTO_ENGINE_IDLE_MINUTES": "1"}
            made.append(settings_module.load(no_settings() | given, PROJECT))
            return made[-1]

        yield home
        for found in made:
            engine.stop(found)


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("a secret")
    file.chmod(0o600)
    return file


def ports_of_the_machine(process):
    """Return the ports of the machine's network that a process listens on."""
    own = {os.readlink(file.path) for file in os.scandir(f"/proc/{process}/fd") if os.path.islink(file.path)}
    lines = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()]
    return [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in own]


@needs_root
@needs_linux
@pytest.mark.timeout(300)
def test_another_user_reads_the_owners_files_through_an_open_sail_and_nothing_through_a_closed_one(
    homes, secret, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.setattr(private_sail, "obstacle", lambda folder: "this is a test")
        opened = engine.ensure(homes("open"))
    assert "Other users of this machine can reach the engine" in capsys.readouterr().err
    assert "a secret" in read_as_another_user(asdict(opened), secret).stdout
    assert ports_of_the_machine(opened.server)

    closed = engine.ensure(homes("closed"))
    assert capsys.readouterr().err == ""
    assert ports_of_the_machine(closed.server) == []
    for state in (asdict(closed), asdict(replace(closed, socket=""))):
        attempt = read_as_another_user(state, secret)
        assert attempt.returncode != 0 and "a secret" not in attempt.stdout + attempt.stderr
    folder = Path(closed.socket).parent
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "engine.json", Path(closed.socket))}
    assert list(modes.values()) == [0o700, 0o600, 0o600]

    # The folder and the socket are what holds: with other modes, the same attempt succeeds.
    folder.chmod(0o755)
    Path(closed.socket).chmod(0o666)
    assert "a secret" in read_as_another_user(asdict(closed), secret).stdout
    engine.ensure(homes("closed"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@needs_root
@pytest.mark.timeout(300)
def test_apache_spark_answers_no_other_user_without_its_token(apache_settings, apache_spark, secret):
    running = engine.status(apache_settings)
    assert running and running.token not in " ".join(psutil.Process(running.server).cmdline()) + repr(running)
    assert "a secret" in read_as_another_user(asdict(running), secret).stdout
    for token in ("", "another"):
        attempt = read_as_another_user(asdict(running) | {"token": token}, secret)
        assert "UNAUTHENTICATED" in attempt.stderr and "a secret" not in attempt.stdout
    assert apache_spark.sql("set spark.authenticate").collect()[0]["value"] == "true"
    assert stat.S_IMODE((server.folder(apache_settings) / "engine.json").stat().st_mode) == 0o600


@needs_linux
@pytest.mark.timeout(300)
def test_two_homes_have_engines_of_their_own_however_long_their_paths(homes):
    names = ("short", "long " * 30)
    sessions = {name: engine.session(homes(name)) for name in names}
    for name, session in sessions.items():
        session.sql(f"create table silver.own using delta as select '{name}' as name")
    assert [session.sql("select name from silver.own").collect()[0][0] for session in sessions.values()] == list(names)


@needs_linux
@pytest.mark.timeout(300)
def test_an_engine_whose_relay_is_killed_is_replaced(homes):
    home = homes("home")
    engine.session(home).sql("create table silver.numbers using delta as select 7 as n")
    killed = engine.status(home)
    (relay,) = psutil.Process(killed.server).children()
    relay.send_signal(signal.SIGKILL)
    psutil.wait_procs([psutil.Process(killed.keeper)], timeout=30)
    assert engine.session(home).sql("select n from silver.numbers").collect()[0][0] == 7
    assert engine.status(home).server != killed.server
    os.kill(engine.status(home).server, signal.SIGKILL)
    assert engine.session(home).sql("select n from silver.numbers").collect()[0][0] == 7


@needs_root
@needs_linux
@pytest.mark.timeout(300)
def test_files_that_a_closed_sail_writes_belong_to_its_user():
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        path = f"{folder}/x.socket"
        arguments = [str(Path(private_sail.__file__).parent), path, str(NOBODY)]
        process = subprocess.Popen([sys.executable, "-c", SERVE, *arguments], cwd=folder, stderr=subprocess.PIPE)
        try:
            running = server.Engine(settings_module.SAIL, 0, process.pid, 1, str(uuid.uuid4()), folder, socket=path)
            while not (os.path.exists(running.socket) and server.answers(running)):
                if process.poll() is not None:
                    said = process.stderr.read().decode()
                    if "Operation not permitted" in said:
                        pytest.skip("this machine forbids user namespaces")
                    pytest.fail(said)
                time.sleep(0.1)
            session = server.open_session(running)
            session.sql("select 7 as n").write.parquet(f"{folder}/numbers")
            (file,) = Path(folder, "numbers").glob("*.parquet")
            assert (file.stat().st_uid, file.stat().st_gid) == (NOBODY, NOBODY)
            session.stop()
        finally:
            process.kill()
            process.wait()


def forbid_namespaces():
    assert private_sail.ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) == 0


@needs_root
@needs_linux
@pytest.mark.timeout(300)
def test_a_container_that_forbids_namespaces_is_told_and_works(homes):
    home = homes("home")
    options = {"env": os.environ | no_settings() | {"CRYPTO_HOME": str(home.home)}, "preexec_fn": forbid_namespaces}
    command = "import sys; from commands.cli import program; sys.exit(program())"
    started = run(command, "engine", "start", **options)
    sentence = (
        "Other users of this machine can reach the engine and do through it what you may do, since this system "
        "forbids network namespaces (Operation not permitted); docs/settings.md says what to do."
    )
    assert started.stderr.splitlines() == [sentence] and "sc://127.0.0.1:" in started.stdout
    assert run(command, "engine", "start", **options).stderr == ""
    asked = run(command, "sql", "select 7 as n", "--format", "csv", **options)
    assert asked.stdout.split() == ["n", "7"] and asked.stderr == ""
    told = run(command, "status", "--json", **options)
    assert told.stdout, told.stderr
    (check,) = [check for check in json.loads(told.stdout)["checks"] if check["check"] == "engine"]
    assert (check["ok"], check["found"]) == (True, sentence)


@needs_linux
def test_status_says_that_the_engine_answers_no_other_user(settings):
    (check,) = [check for check in status.checks(settings) if check["check"] == "engine"]
    assert (check["ok"], check["found"]) == (True, "answers no other user of this machine")
    assert not server.folder(settings).exists()


def test_a_folder_that_others_may_enter_is_an_obstacle(tmp_path, monkeypatch):
    if private_sail.obstacle(tmp_path / "missing"):
        pytest.skip("this system forbids network namespaces")
    tmp_path.chmod(0o755)
    assert private_sail.obstacle(tmp_path) == "the file system of the data home has no permissions"
    tmp_path.chmod(0o700)
    assert private_sail.obstacle(tmp_path) is None and not list(tmp_path.iterdir())
