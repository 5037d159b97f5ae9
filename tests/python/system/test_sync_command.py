"""The sync as a user meets it: commands, the log in the lake, the rights it needs, and where passwords are not."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
from support.commands import CRYPTO, run_command
from support.databases import rows
from support.isolation import no_settings
from support.project import PROJECT

from commands.inspect import leftovers
from commands.run import lock
from lakehouse import postgres, settings
from lakehouse.postgres import embedded

CANARY = "canary-w7Qz/p%ss:w0rd"


@pytest.fixture(scope="module")
def other_database(engine_settings, first_run):
    """Settings of an empty database beside the published one, as a server of the user's own."""
    values, name = postgres.values(engine_settings), f"other_{os.getpid()}"
    with postgres.connect(engine_settings, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    given = {"DB_ENDPOINT": values["host"], "DB_PORT": str(values["port"]), "DB_NAME": name}
    given |= {"DB_USER": values["user"], "DB_PASSWORD": values["password"], "DB_SSLMODE": "disable"}
    return given


def run(home: Path, given: dict[str, str], *command: str, fails: bool = False, project: Path = PROJECT) -> str:
    program = Path(sys.prefix) / "bin" / command[0]
    done = run_command(*command[1:], program=program, project=project, CRYPTO_HOME=str(home), **given)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    # The home is that of all tests: a run of another one may be at work.
    return done.stdout + done.stderr.replace(f"{lock.WAITING}\n", "")


def test_a_plan_says_exactly_what_a_sync_then_does(engine_settings, other_database):
    home = engine_settings.home
    database = settings.load(no_settings() | other_database | {"CRYPTO_HOME": str(home)}, PROJECT)
    said = run(home, other_database, "crypto", "sync", "--plan").splitlines()
    assert said[0] == "daily_metrics: 450 rows, would be +450 ~0 -0"
    assert said[1].startswith("  + AVAX 20") and len(said) == 8
    assert rows(database, "select count(*) from pg_namespace where nspname = 'crypto'") == [(0,)]
    assert run(home, other_database, "crypto", "sync").splitlines() == [
        "daily_metrics: 450 rows, +450 ~0 -0",
        "trading_indicators: 450 rows, +450 ~0 -0",
    ]
    with postgres.connect(database) as connection:
        connection.execute("update crypto.daily_metrics set trade_count = 7 where symbol = 'BTC' and is_complete")
        connection.execute("delete from crypto.trading_indicators where symbol = 'ETH'")
    said = run(home, other_database, "crypto", "sync", "--plan", "--force")
    assert "daily_metrics: 450 rows, would be +0 ~89 -0" in said
    assert "  ~ BTC 20" in said and ": trade_count 7 -> " in said
    assert "trading_indicators: 450 rows, would be +90 ~0 -0" in said
    assert "daily_metrics: 450 rows, +0 ~89 -0" in run(home, other_database, "crypto", "sync", "--force")


def test_another_table_is_published_as_the_guide_says(engine_settings, other_database, tmp_path):
    """In a copy of the repository, the patch of docs/sync.md and its two commands; then taken back, and pruned."""
    home, guide = engine_settings.home, (PROJECT / "docs" / "sync.md").read_text()
    (patch,) = re.findall(r"```diff\n(.*?)```", guide, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    project = tmp_path / "project"
    for folder in ("models", "macros", "seeds"):
        shutil.copytree(PROJECT / folder, project / folder)
    shutil.copy(PROJECT / "dbt_project.yml", project)
    subprocess.run(["git", "apply", "-"], cwd=project, input=patch, text=True, check=True)
    said = [
        run(home, other_database, *line.removeprefix(".venv/bin/").split(), project=project).splitlines()
        for line in commands.splitlines()
    ]
    ((plan,), (done,)) = ([line for line in lines if line.startswith("correlations: ")] for lines in said)
    rows_there = int(re.match(r"correlations: ([\d,]+) rows, would be \+\1 ~0 -0$", plan)[1].replace(",", ""))
    assert done == plan.replace("would be ", "")
    database = settings.load(no_settings() | other_database | {"CRYPTO_HOME": str(home)}, PROJECT)
    assert rows(database, "select count(*) from crypto.correlations") == [(rows_there,)]
    assert rows_there > 0
    subprocess.run(["git", "apply", "--reverse", "-"], cwd=project, input=patch, text=True, check=True)
    assert "crypto.correlations in Postgres" in run(home, other_database, "crypto", "status", fails=True)
    assert "Aborted" in run(home, other_database, "crypto", "prune", fails=True)
    # Other tests may have left tables in the lake: theirs stay.
    gone = leftovers.find(database)
    assert gone.postgres == ("crypto.correlations",)
    leftovers.remove(database, replace(gone, lake=()))
    assert leftovers.find(database).postgres == ()
    assert rows(database, "select count(*) from crypto.sync_runs where table_name = 'correlations'") == [(0,)]


def test_the_log_in_the_lake_tells_what_the_one_in_postgres_tells(spark, engine_settings, first_run):
    columns = "run_id, table_name, invocation_id, source_version, rows_inserted, rows_total, checksum, finished_at"
    lake = spark.sql(f"select {columns} from sync.postgres_sync").collect()
    with postgres.connect(engine_settings) as connection:
        query = f"select run_id::text, {columns.removeprefix('run_id, ')} from crypto.sync_runs"
        there = {row[:2]: row for row in connection.execute(query)}
    assert {row.table_name for row in lake} == {"daily_metrics", "trading_indicators"}
    for row in lake:
        *values, finished_at = there[row.run_id, row.table_name]
        assert [*values] == [*row[:-1]]
        assert finished_at.timestamp() == row.finished_at.timestamp()


def holding(folder: Path, text: str) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        # The servers at work may remove a file at any time.
        with suppress(FileNotFoundError):
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(path)
    return found


def test_the_embedded_servers_password_is_in_its_own_file_only(engine_settings, first_run):
    password = postgres.values(engine_settings)["password"]
    assert holding(engine_settings.home, password) == [engine_settings.home / "postgres" / "password"]
    assert password not in first_run
    for name in ("target", "logs"):
        assert holding(PROJECT / name, password) == []


@pytest.mark.long
def test_the_benchmark_measures_a_sync():
    """In short form; four times the rows take no more memory, beyond some play: held at once they took 200 MB more."""
    command = [sys.executable, "-m", "benchmarks.sync", "--rows", "400000", "--chunk-rows", "50000"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    written = {line[0]: int(line[1].replace(",", "")) for line in lines}
    assert written.pop("1 % of the rows changed") in range(3_600, 4_400)
    assert written == {
        "first load of 100,000 rows": 100_000,
        "first load of 400,000 rows": 400_000,
        "plain COPY into a table without keys, indexes and checks": 400_000,
        "plain COPY into a table of the same keys, indexes and checks": 400_000,
        "nothing changed, first sync of a process": 0,
        "nothing changed, second sync of a process": 0,
    }
    memory = [int(line[-1]) for line in lines if line[0].startswith("first load")]
    assert memory[1] < memory[0] + 60


@pytest.mark.long
def test_a_whole_run_needs_the_sync_role_only_and_leaves_no_password_anywhere(tmp_path):
    """As a login with crypto_sync, at a server that logs every statement, with all arguments of processes watched."""
    server, home = embedded.Embedded(tmp_path / "server"), tmp_path / "home"
    server.start()
    values = server.values()
    given = {"DB_ENDPOINT": values["host"], "DB_PORT": str(values["port"]), "DB_NAME": values["dbname"]}
    given |= {"DB_USER": "dashboards", "DB_PASSWORD": CANARY, "DB_SSLMODE": "disable"}
    admin = given | {"DB_USER": values["user"], "DB_PASSWORD": values["password"]}
    run(home, admin, "crypto", "generate", "--trades", "3000")
    said, seen, done = [run(home, admin, "crypto", "postgres", "start")], set(), threading.Event()
    with psycopg.connect(**values, autocommit=True) as connection:
        connection.execute(f"create role dashboards login in role crypto_sync password '{CANARY}'")
        connection.execute("alter system set log_statement = 'all'")
        connection.execute("select pg_reload_conf()")

    def watch() -> None:
        while not done.is_set():
            for process in psutil.process_iter(["cmdline"]):
                seen.add(" ".join(process.info["cmdline"] or []))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        said += [
            # A process of its own, whose arguments can be watched; the others are forks.
            subprocess.run(
                [CRYPTO, "run"], cwd=PROJECT, env=os.environ | no_settings() | given | {"CRYPTO_HOME": str(home)},
                capture_output=True, text=True, check=True,
            ).stdout,
            run(home, given, "crypto", "sync", "--plan", "--force"),
            run(home, given, "crypto", "status", "--json"),
            run(home, given, "dbt", "--debug", "test", "--target", "postgres", "--target-path", f"{home}/target",
                "--log-path", f"{home}/logs", "--log-level-file", "debug"),
            run(home, given | {"DB_USER": "crypto"}, "crypto", "--debug", "sync", fails=True),
            run(home, given | {"DB_NAME": "nowhere"}, "crypto", "run", fails=True),
            run(home, given | {"DB_USER": "nobody"}, "dbt", "debug", "--target", "postgres", fails=True),
        ]  # fmt: skip
    finally:
        done.set()
        watcher.join()
        run(home, given, "crypto", "engine", "stop")
    with psycopg.connect(**values) as connection:
        owners = "select distinct viewowner from pg_views where schemaname = 'reading'"
        assert connection.execute(owners).fetchall() == [("dashboards",)]
        assert connection.execute("select count(*) from crypto.daily_metrics").fetchone()[0] > 0
    server.stop()
    assert "All is well." in said[1]
    assert "insert into crypto.sync_runs" in server.log.read_text(errors="replace")
    assert any("crypto run" in arguments for arguments in seen)
    for text in (*said, *seen):
        assert CANARY not in text
    for folder in (home, tmp_path / "server", PROJECT / "target", PROJECT / "logs"):
        assert holding(folder, CANARY) == []
