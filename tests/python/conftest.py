"""Fixtures: a user's settings never reach a test, and one engine serves the whole run.

The engine is shared by all of pytest's workers, so a test takes a schema of its own (``schema``) and
a data home of its own (``settings``) instead of an engine of its own.
"""

import fcntl
import os
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from support.commands import run_command
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import engine
from lakehouse import settings as settings_module
from lakehouse.postgres.embedded import Embedded

os.environ["TZ"] = "UTC"
time.tzset()
# A slow machine fails no property test.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

pytest_plugins = [
    "support.bucket_fixtures",
    "support.database_fixtures",
    "support.exchange_fixtures",
    "support.webhook_fixtures",
]


def _clean_environment() -> None:
    # An empty value hides what a user's .env says.
    for name in settings_module.NAMES:
        os.environ[name] = ""
    for name in [name for name in os.environ if name.startswith(("DBT_", "PG"))]:
        del os.environ[name]


_clean_environment()


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_module.NAMES:
        monkeypatch.setenv(name, "")


@pytest.fixture
def settings(tmp_path: Path) -> settings_module.Settings:
    """Settings with a data home of this test's own."""
    return settings_module.load({"CRYPTO_HOME": str(tmp_path / "home")} | no_settings(), PROJECT)


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that pytest's workers share."""
    root = tmp_path_factory.getbasetemp()
    return root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root


@pytest.fixture(scope="session")
def engine_settings(tmp_path_factory: pytest.TempPathFactory) -> settings_module.Settings:
    """Settings of the data home whose engine all tests share."""
    given = {"CRYPTO_HOME": str(_shared(tmp_path_factory) / "engine home"), "CRYPTO_ENGINE_IDLE_MINUTES": "1"}
    return settings_module.load(no_settings() | given, PROJECT)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the servers of this run's data homes, before pytest removes them."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    base = session.config._tmp_path_factory.getbasetemp()
    for state in base.glob("**/engine/engine.json"):
        engine.stop(settings_module.load(no_settings() | {"CRYPTO_HOME": str(state.parents[1])}, PROJECT))
    for port in base.glob("**/postgres/port"):
        Embedded(port.parents[1]).stop()


@pytest.fixture(scope="session")
def spark(engine_settings):
    """A Spark Connect session of the shared engine, which stops by itself after the last test."""
    return engine.session(engine_settings)


@pytest.fixture(scope="session")
def apache_settings(tmp_path_factory: pytest.TempPathFactory) -> settings_module.Settings:
    """Settings of the data home whose Apache Spark all tests of target ``spark`` share."""
    given = {"CRYPTO_HOME": str(_shared(tmp_path_factory) / "spark home"), "CRYPTO_ENGINE_IDLE_MINUTES": "1"}
    found = settings_module.load(no_settings() | given | {"CRYPTO_ENGINE_MEMORY": "2g"}, PROJECT)
    return replace(found, engine=settings_module.SPARK)


@pytest.fixture(scope="session")
def apache_spark(apache_settings):
    """A session of the shared Apache Spark, whose parts are fetched when they are missing."""
    return engine.session(apache_settings)


@pytest.fixture
def schema(engine_settings, spark):
    """The name of an empty schema of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    place = engine.path(engine_settings, engine_settings.warehouse / f"{name}.db")
    spark.sql(f"create schema {name} location '{place}'")
    yield name
    spark.sql(f"drop schema {name} cascade")


@pytest.fixture(scope="session")
def user(engine_settings, spark):
    """Run a command in the repository as a user does, in this home."""

    def run(program, *arguments, fails=False, **given):
        place = Path(sys.prefix) / "bin" / program
        done = run_command(*arguments, program=place, CRYPTO_HOME=str(engine_settings.home), **given)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def published(engine_settings, first_run):
    """Hold off other tests that change what the first run has published, or check it."""
    with (engine_settings.home.parent / "published.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def first_run(engine_settings, spark) -> str:
    """What the first `make run` of this home said; pytest's workers run it once between them."""
    said = engine_settings.home.parent / "first run"
    with said.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
            environment |= no_settings() | {"CRYPTO_HOME": str(engine_settings.home)}
            made = subprocess.run(
                ["make", "run"], check=False, cwd=PROJECT, env=environment, capture_output=True, text=True
            )
            assert made.returncode == 0, made.stdout + made.stderr
            said.write_text(made.stdout + made.stderr)
    return said.read_text()
