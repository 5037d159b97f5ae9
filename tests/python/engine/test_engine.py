"""The engine as a process: shared, noticed when dead, filled from the warehouse, stopped when idle."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from dbt.adapters.localspark.connections import Handle
from pyspark.errors import PySparkException
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import engine, settings
from lakehouse.engine import server
from lakehouse.errors import CryptoError

USE = """
import sys
from lakehouse import engine
from lakehouse import settings
spark = engine.session(settings.load())
for statement in sys.argv[1:]:
    print([tuple(row) for row in spark.sql(statement).collect()])
"""


def use(home, *statements):
    given = no_settings() | {"CRYPTO_HOME": str(home), "CRYPTO_ENGINE_IDLE_MINUTES": "0.05"}
    done = subprocess.run(
        [sys.executable, "-c", USE, *statements],
        env=os.environ | given,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_killed_engine_is_replaced_and_finds_its_tables_and_views_again(tmp_path):
    home = tmp_path / "a home"
    found = settings.load(no_settings() | {"CRYPTO_HOME": str(home)}, PROJECT)
    use(home, "create table silver.numbers using delta as select 7 as n")
    view = "create or replace view silver.doubled as select n * 2 as n from silver.numbers"
    (home / "warehouse/silver.db/doubled.view.sql").write_text(view)
    # What a `create table` that was killed leaves behind.
    (home / "warehouse/silver.db/half/_delta_log").mkdir(parents=True)
    killed = engine.status(found)
    os.kill(killed.server, signal.SIGKILL)
    assert use(home, "select n from silver.doubled") == ["[(14,)]"]
    assert not (home / "warehouse/silver.db/half").exists()
    replaced = engine.status(found)
    assert replaced is None or replaced.server != killed.server
    until = time.monotonic() + 60
    while psutil.pid_exists(replaced.server if replaced else 0) and replaced and time.monotonic() < until:
        time.sleep(0.2)
    assert engine.status(found) is None, "the engine did not stop although nobody used it"


def test_the_spark_of_another_project_has_no_say(tmp_path, monkeypatch):
    monkeypatch.setenv("MASTER", "spark://elsewhere:7077")
    assert use(tmp_path / "home", "select 1") == ["[(1,)]"]


def test_what_pyspark_says_of_a_start_is_said(settings, monkeypatch):
    def refuse(_):
        raise PySparkException("Of this session nothing will come.\nAt line 1.")

    monkeypatch.setattr(server, "open_session", refuse)
    with pytest.raises(CryptoError, match=r"did not start; PySpark said: Of this session nothing will come\. The rest"):
        engine.session(settings)
    assert engine.status(settings) is None


def test_commands_share_one_engine(engine_settings, spark):
    assert engine.ensure(engine_settings) == engine.status(engine_settings)


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        # How merge_staged_rows says that there was nothing to merge.
        ("/* dbt */ select 0 as num_affected_rows", 0),
        ("select 7 as n", None),
        ("show schemas", None),
    ],
)
def test_dbt_is_told_how_many_rows_changed(engine_settings, spark, statement, rows):
    cursor = Handle(spark, engine_settings).cursor()
    cursor.execute(statement)
    assert cursor.rows_affected() == rows and len(cursor.fetchall()) >= 1
