"""The classes that every engine loads, kept in one file that Java maps: ``python -m lakehouse.engine.class_archive``.

Loading and verifying Spark's classes from its jars is half of an engine's start. Set-up makes the file once; a Java or
jars other than those it was made with ignore it and load classes as usual.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse import ports
from lakehouse.engine import jars, server, spark
from lakehouse.settings import Settings, load

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXIT_SECONDS = 180


def main() -> None:
    """Start an engine in a scratch home, use it as a small run does, and have Java write the file as it ends."""
    archive = spark.class_archive()
    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.jar_folder()) as scratch:
        home, fresh = Path(scratch) / "home", Path(scratch) / archive.name
        settings = load({"CRYPTO_HOME": str(home)}, home)
        server.folder(settings).mkdir(parents=True)
        with server.log_file(settings).open("w") as log:
            port = ports.free_port()
            command = spark.command(settings, server.folder(settings), port, f"-XX:ArchiveClassesAtExit={fresh}")
            java = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                if has_started(java, port):
                    from pyspark.sql import SparkSession

                    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
                    use(session, settings)
                    session.stop()
                    java.terminate()
                    java.wait(EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                return  # The file is incomplete.
            finally:
                java.kill()
        # A machine that is too slow, or a Java that can't write one, goes without: engines then start as usual.
        if fresh.is_file():
            fresh.replace(archive)


def has_started(java: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the engine answers; False if it ends or takes too long."""
    until = time.monotonic() + server.START_SECONDS
    while java.poll() is None and time.monotonic() < until:
        if server.answers(port):
            return True
        time.sleep(0.1)
    return False


def use(session: SparkSession, settings: Settings) -> None:
    """Run a few statements of the kinds that a run is made of."""
    rows = "select id, timestamp_micros(id * 1000000) as at, cast(id as decimal(18, 8)) as price from range(100)"
    session.sql(rows).write.parquet(str(settings.home / "rows"))
    session.read.parquet(str(settings.home / "rows")).createOrReplaceTempView("raw")
    for statement in (
        "create schema class_archive",
        "create table class_archive.kept (id bigint not null, at timestamp, price decimal(18, 8)) using delta",
        "insert into class_archive.kept select * from raw",
        "merge into class_archive.kept as kept using (select id + 50 as id, at, price from raw) as news "
        "on kept.id = news.id when matched then update set price = news.price when not matched then insert *",
        "describe table extended class_archive.kept",
        "describe history class_archive.kept",
        "show tables in class_archive",
    ):
        session.sql(statement).toArrow()
    session.sql(
        "with marked as (select *, row_number() over (partition by id % 3 order by at, id) as place, "
        "lag(price) over (partition by id % 3 order by at) as before from class_archive.kept) "
        "select date_trunc('day', marked.at) as day, count(*) as rows, sum(marked.price * marked.before) as total, "
        "min_by(marked.price, marked.at) as first, max_by(marked.price, marked.at) as last, "
        "count(distinct raw.id) as ids "
        "from marked left join raw on marked.id = raw.id group by 1 order by 1"
    ).toArrow()


if __name__ == "__main__":
    main()
