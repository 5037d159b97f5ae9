"""What is said when the engine can't start at all."""

import json
import subprocess
import sys
import uuid
from dataclasses import asdict

import psutil
import pytest
from pyspark.errors import PySparkException
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import engine, ports
from lakehouse import settings as settings_module
from lakehouse.engine import sail, server
from lakehouse.errors import CryptoError


def test_an_engine_that_can_not_start_says_so_in_one_sentence(tmp_path, monkeypatch):
    broken = [sys.executable, "-c", "raise OSError('no room')"]
    monkeypatch.setattr(sail, "command", lambda _, folder, port, access: [*broken, str(folder)])
    with pytest.raises(CryptoError) as error:
        engine.ensure(settings_module.load(no_settings() | {"CRYPTO_HOME": str(tmp_path)}, PROJECT))
    assert "The engine did not start; it said: OSError: no room." in str(error.value)
    assert "\n" not in str(error.value)


def test_a_home_that_can_not_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    found = settings_module.load(no_settings() | {"CRYPTO_HOME": str(tmp_path / "file" / "home")}, PROJECT)
    with pytest.raises(CryptoError, match="can't be written"):
        engine.ensure(found)


@pytest.mark.timeout(60)
def test_an_engine_that_dies_before_its_first_client_is_not_waited_for():
    """Spark's client would try for ten minutes."""
    gone = server.Engine(settings_module.SAIL, 0, 0, ports.free_port(), str(uuid.uuid4()), "/")
    with pytest.raises(PySparkException):
        server.open_session(gone)


def test_a_process_that_ends_while_it_is_stopped_is_no_error(settings, monkeypatch):
    child = subprocess.Popen([sys.executable, "-c", ""])
    ended = psutil.Process(child.pid)
    child.wait()
    folder = server.folder(settings)
    folder.mkdir(parents=True)
    state = server.Engine(settings.engine, child.pid, child.pid, 1, "x", str(settings.home))
    (folder / "engine.json").write_text(json.dumps(asdict(state)))
    monkeypatch.setattr(server, "_process", lambda *_: ended)
    assert engine.stop(settings) and not (folder / "engine.json").exists()
