"""A sync while things break: readers see the old state or the new one, and the next run succeeds."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psycopg
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from support.databases import Lake, count, proxy, rows, trading_indicators
from support.project import PROJECT

from lakehouse import postgres
from lakehouse.errors import CryptoError
from lakehouse.sync import transaction

METRICS, INDICATORS = "crypto.daily_metrics", "crypto.trading_indicators"
# Which run wrote the rows, how many they are, and what the log says of both tables.
STATE = f"""
    select min(m), max(m), count(*), (select count(distinct finished_at) from crypto.sync_runs)
    from (select trade_count as m from {METRICS} union all select bars_seen - 1 from {INDICATORS}) as marks
"""


def state(lake: Lake) -> tuple:
    return rows(lake.database, STATE)[0][:3]


def matches(lake: Lake) -> bool:
    """Whether Postgres holds what the log's last row says of each table."""
    query = """
        select count(*) from (values ('daily_metrics'), ('trading_indicators')) as published (name)
        cross join lateral crypto.fingerprint(('crypto.' || name)::regclass) as found
        cross join lateral (
            select rows_total, checksum from crypto.sync_runs
            where table_name = name order by finished_at desc limit 1
        ) as logged
        where found.row_count = logged.rows_total and found.checksum = logged.checksum
    """
    return rows(lake.database, query) == [(2,)]


@pytest.mark.parametrize("syncs", [10, pytest.param(50, marks=pytest.mark.long)])
def test_a_reader_never_sees_a_mix_or_a_hole(lake, syncs):
    """Each sync changes every row, and adds or removes the last day."""

    def days(mark: int) -> int:
        return 10 + mark % 2

    lake.write_both(days(0), 0)
    lake.publish()
    seen, done = [], threading.Event()

    def read() -> None:
        query = "select min({0}), max({0}), count(*), count(distinct metric_date), max(metric_date) - min(metric_date)"
        with postgres.connect(lake.database) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not done.is_set():
                with connection.transaction():
                    # Two statements of one snapshot: what they see belongs together or does not.
                    metrics = connection.execute(f"{query.format('trade_count')} from {METRICS}").fetchone()
                    indicators = connection.execute(f"{query.format('bars_seen - 1')} from {INDICATORS}").fetchone()
                    seen.append((metrics, indicators))

    reader = threading.Thread(target=read)
    reader.start()
    for mark in range(1, syncs + 1):
        lake.write_both(days(mark), mark)
        lake.publish()
    done.set()
    reader.join()
    for metrics, indicators in set(seen):
        mark = metrics[0]
        assert metrics == indicators == (mark, mark, 2 * days(mark), days(mark), days(mark) - 1)
    assert len({metrics for metrics, _ in seen}) > syncs // 3


def child(lake: Lake) -> subprocess.Popen:
    """Another process that is about to publish 8,000 rows of mark 1."""
    script = PROJECT / "tests/python/support/publish_and_die.py"
    server = lake.database.postgres
    environ = os.environ | {
        "PYTHONPATH": f"{PROJECT}:{PROJECT}/tests/python",
        "CRYPTO_HOME": str(lake.database.home),
        "DB_PASSWORD": server.password,
    }
    environ |= {"DB_ENDPOINT": server.host, "DB_PORT": str(server.port), "DB_NAME": server.name}
    environ |= {"DB_USER": server.user, "DB_SSLMODE": "disable"}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environ)
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_sync_leaves_the_old_state_or_the_new(lake, kills):
    lake.write_both(days=2000, mark=0)
    lake.publish()
    with child(lake) as process:
        started = time.monotonic()
        assert process.stdout.readline() == b"done\n"
        whole = time.monotonic() - started
    chance, seen = random.Random(kills), []
    for number in range(kills):
        lake.write_both(days=2000, mark=0)
        lake.publish()
        with child(lake) as process:
            time.sleep((number + chance.random()) / kills * whole)
            process.send_signal(signal.SIGKILL)
        seen.append(state(lake))
        assert seen[-1] in {(0, 0, 8000), (1, 1, 8000)}
        assert matches(lake)
        lake.write_both(days=2000, mark=2)
        lake.publish()
        assert state(lake) == (2, 2, 8000)
        assert matches(lake)
    assert (0, 0, 8000) in seen


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_in_the_middle_of_a_sync_is_survived(lake, server, how):
    lake.write_both(mark=0)
    lake.publish()
    restarts = []

    def restart() -> None:
        if not restarts:
            restarts.append(state(lake))
            if how == "kill":
                os.kill(int((server.embedded.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
                while server.embedded.alive():
                    time.sleep(0.01)
            else:
                server.stop()
            server.start()

    lake.write_both(mark=1)
    lake.sources["trading_indicators"].during = restart
    lake.publish()
    assert restarts == [(0, 0, 40)]
    assert state(lake) == (1, 1, 40)
    assert matches(lake)


def through(lake: Lake, port: int) -> Lake:
    return Lake(replace(lake.database, postgres=replace(lake.database.postgres, port=port)), lake.sources)


@pytest.mark.parametrize("words", [b"PGCOPY", b"update crypto", b"insert into crypto.sync_runs", b"COMMIT"])
@pytest.mark.parametrize("arrives", [True, False])
def test_a_cut_connection_is_tried_again_and_never_twice(lake, words, arrives):
    """After a cut at a COMMIT that arrives the server has committed and only the client does not know."""
    lake.publish()
    lake.write_both(mark=1)
    seen = []
    # The first COMMIT is that of the look at the migrations.
    fatal = 2 if words == b"COMMIT" else 1

    def should_cut(data: bytes) -> bool:
        if words in data:
            seen.append(data)
        return words in data and len(seen) == fatal

    with proxy(lake.database.postgres.port, should_cut, arrives) as port:
        done = through(lake, port).publish()
    assert len(seen) > fatal
    assert [published.rows_updated for published in done.values()] == [20, 20]
    assert state(lake) == (1, 1, 40)
    assert count(lake.database, "crypto.sync_runs") == 4
    assert matches(lake)


def test_a_connection_that_is_cut_every_time_leaves_the_old_state(lake, monkeypatch):
    monkeypatch.setattr(transaction.time, "sleep", lambda seconds: None)
    lake.publish()
    lake.write_both(mark=1)
    with (
        proxy(lake.database.postgres.port, lambda data: b"PGCOPY" in data) as port,
        pytest.raises(CryptoError, match="The connection to Postgres was lost repeatedly"),
    ):
        through(lake, port).publish()
    assert state(lake) == (0, 0, 40)
    lake.publish()
    assert state(lake) == (1, 1, 40)


def test_a_lake_that_fails_in_the_middle_leaves_the_old_state(lake):
    lake.publish()
    lake.write_both(mark=1)

    def fail() -> None:
        raise PySparkException("the engine is gone\nJVM stacktrace: long")

    lake.sources["trading_indicators"].during = fail
    with pytest.raises(CryptoError, match=r"^Nothing was published, the lake .* \(the engine is gone\); run again\.$"):
        lake.publish()
    assert state(lake) == (0, 0, 40)
    lake.sources["trading_indicators"].during = lambda: None
    lake.publish()
    assert state(lake) == (1, 1, 40)


def test_a_statement_that_takes_too_long_is_ended(lake, monkeypatch):
    lake.publish()
    with postgres.connect(lake.database, autocommit=True) as connection:
        connection.execute(
            "create function crypto.dawdle() returns trigger language plpgsql as"
            " $$ begin perform pg_sleep(60); return new; end $$"
        )
        connection.execute(
            f"create trigger dawdle before update on {METRICS} for each row execute function crypto.dawdle()"
        )
    monkeypatch.setattr(transaction, "STATEMENT_SECONDS", 1)
    lake.write_both(mark=1)
    with pytest.raises(CryptoError, match="Nothing was published, a statement took too long"):
        lake.publish()
    assert state(lake) == (0, 0, 40)


def test_a_reader_that_holds_a_lock_delays_a_new_column_no_longer_than_the_limit(lake):
    lake.publish()
    data = trading_indicators().append_column("extra", pa.array([1.5] * 20))
    with postgres.connect(lake.database) as reader:
        reader.execute(f"select count(*) from {INDICATORS}")
        lake.write("trading_indicators", trading_indicators(mark=1))
        lake.publish()
        lake.write("trading_indicators", data)
        started = time.monotonic()
        with pytest.raises(CryptoError, match="another program holds a lock"):
            lake.publish(lock_seconds=0.3)
        assert time.monotonic() - started < 10
    assert count(lake.database, INDICATORS) == 20
    lake.publish()
    assert rows(lake.database, f"select distinct extra from {INDICATORS}") == [(1.5,)]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_state(lake, server, tmp_path_factory):
    place = tmp_path_factory.mktemp("small") / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount the small disk that this test fills")
    try:
        owner = server.embedded.folder.stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        name = f"small_{os.getpid()}_{random.getrandbits(32)}"
        with postgres.connect(lake.database, autocommit=True) as connection:
            connection.execute(f"create tablespace {name} location '{place}'")
        lake.publish()
        with postgres.connect(lake.database, autocommit=True) as connection:
            connection.execute(f"alter table {METRICS} set tablespace {name}")
        lake.write_both(days=5000, mark=1)
        with pytest.raises(CryptoError, match=r"Postgres has no room left \(.*\); make room and run again"):
            lake.publish()
        assert state(lake) == (0, 0, 40)
        with postgres.connect(lake.database, autocommit=True) as connection:
            connection.execute(f"alter table {METRICS} set tablespace pg_default")
            connection.execute(f"drop tablespace {name}")
        lake.publish()
        assert state(lake) == (1, 1, 20_000)
        assert matches(lake)
    finally:
        subprocess.run(["umount", str(place)], check=False)
