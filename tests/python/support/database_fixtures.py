"""Fixtures of the tests that need Postgres."""

import pytest

from lakehouse import postgres
from lakehouse.postgres import embedded, migrate
from support.databases import SYSTEMS, WHY_NO_SYSTEMS, Lake, Server, lakes_in_memory


@pytest.fixture(scope="session", params=["embedded", "the system's"])
def server(request, tmp_path_factory):
    """A running server, of each make in turn."""
    programs = embedded.binaries() if request.param == "embedded" else SYSTEMS
    if programs is None:
        pytest.skip(WHY_NO_SYSTEMS)
    server = Server(tmp_path_factory.mktemp("server"), programs)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(server, settings):
    """Settings that name an empty database of this test's own."""
    return server.database(settings)


@pytest.fixture
def migrated(database):
    """Settings that name a database with schema crypto."""
    with postgres.connect(database) as connection:
        migrate.migrate(connection)
    return database


@pytest.fixture
def lake(migrated):
    """A lake in memory that publishes to a database of this test's own."""
    with lakes_in_memory():
        yield Lake(migrated)
