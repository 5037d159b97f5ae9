"""The engine as a process: shared, noticed when dead, filled from the warehouse, stopped when idle."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import PROJECT, empty
from dbt.adapters.localspark.connections import Handle

from lakehouse import engine, settings
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
    given = empty() | {"CRYPTO_HOME": str(home), "CRYPTO_ENGINE_IDLE_MINUTES": "0.05"}
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
    found = settings.load(empty() | {"CRYPTO_HOME": str(home)}, PROJECT)
    use(home, "create table silver.numbers using delta as select 7 as n")
    view = "create or replace view silver.doubled as select n * 2 as n from silver.numbers"
    (home / "warehouse/silver.db/doubled.view.sql").write_text(view)
    # What a `create table` that was killed leaves behind.
    (home / "warehouse/silver.db/half/_delta_log").mkdir(parents=True)
    killed = engine.status(found)
    os.kill(killed.java, signal.SIGKILL)
    assert use(home, "select n from silver.doubled") == ["[(14,)]"]
    assert not (home / "warehouse/silver.db/half").exists()
    replaced = engine.status(found)
    assert replaced is None or replaced.java != killed.java
    until = time.monotonic() + 60
    while psutil.pid_exists(replaced.java if replaced else 0) and replaced and time.monotonic() < until:
        time.sleep(0.2)
    assert engine.status(found) is None, "the engine did not stop although nobody used it"


def test_commands_share_one_engine(engine_settings, spark):
    assert engine.ensure(engine_settings) == engine.status(engine_settings)


def test_what_one_command_made_spark_compile_serves_the_next(tmp_path):
    # An engine of its own: in that of all tests, another one may have something compiled meanwhile.
    found = settings.load(empty() | {"CRYPTO_HOME": str(tmp_path / "home")}, PROJECT)
    compiled = "select reflect('org.apache.spark.sql.catalyst.expressions.codegen.CodeGenerator', 'compileTime') as ns"
    query = "select id % 7 as rest, sum(id * 11) as total from range(1000) group by 1 order by 1"
    engine.ensure(found)
    try:
        first, _, after_first = use(found.home, compiled, query, compiled)
        second, rows, after_second = use(found.home, compiled, query, compiled)
    finally:
        engine.stop(found)
    assert first != after_first == second == after_second
    assert "(6, " in rows


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        # How merge_staged_rows says that there was nothing to merge.
        ("/* dbt */ select 0 as num_affected_rows", 0),
        ("select 7 as n", None),
        ("show schemas", None),
    ],
)
def test_dbt_is_told_how_many_rows_changed(spark, statement, rows):
    cursor = Handle(spark).cursor()
    cursor.execute(statement)
    assert cursor.rows_affected() == rows and len(cursor.fetchall()) >= 1


def test_an_engine_that_can_not_start_says_so_in_one_sentence(tmp_path, monkeypatch):
    given = empty() | {"CRYPTO_HOME": str(tmp_path), "CRYPTO_ENGINE_MEMORY": "1m"}
    with pytest.raises(CryptoError) as error:
        engine.ensure(settings.load(given, PROJECT))
    assert "engine did not start" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_home_that_can_not_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    found = settings.load(empty() | {"CRYPTO_HOME": str(tmp_path / "file" / "home")}, PROJECT)
    with pytest.raises(CryptoError, match="can't be written"):
        engine.ensure(found)


def test_an_engine_maps_the_classes_that_set_up_has_kept(engine_settings, spark):
    if not engine.class_archive().is_file() or not Path("/proc").is_dir():
        pytest.skip("a Java without an archive of its own writes none, and only Linux tells what a process maps")
    java = engine.status(engine_settings).java
    mapped = {line.split()[-1] for line in Path(f"/proc/{java}/maps").read_text().splitlines() if "/" in line}
    assert str(engine.class_archive()) in mapped
