"""Apache Spark with Delta, the second local engine: how its server is started."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from lakehouse.engine import jars
from lakehouse.errors import to_stderr
from lakehouse.settings import Settings

START_SECONDS = 120
CLIENT_SETTINGS: dict[str, str] = {}

# The options that Spark's own launcher passes to a Java newer than 8.
JAVA_OPTIONS = [
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(
        f"--add-opens={package}=ALL-UNNAMED"
        for package in (
            "java.base/java.lang",
            "java.base/java.lang.invoke",
            "java.base/java.lang.reflect",
            "java.base/java.io",
            "java.base/java.net",
            "java.base/java.nio",
            "java.base/java.util",
            "java.base/java.util.concurrent",
            "java.base/java.util.concurrent.atomic",
            "java.base/jdk.internal.ref",
            "java.base/sun.nio.ch",
            "java.base/sun.nio.cs",
            "java.base/sun.security.action",
            "java.base/sun.util.calendar",
        )
    ),
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
    # In a Turkish locale upper('i') would be another letter.
    "-Duser.language=en",
    "-Duser.country=US",
]

SPARK_CONF = {
    "spark.app.name": "crypto-lakehouse",
    "spark.ui.enabled": "false",
    # Spark's ports beside that of Spark Connect ask for a secret too, which it makes up itself.
    "spark.authenticate": "true",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.sources.default": "delta",
    "spark.sql.session.timeZone": "UTC",
    # Otherwise ${name} is replaced in the text of a statement, in names of files too.
    "spark.sql.variable.substitute": "false",
    # Delta 4.4.0 fails on statements with parameters otherwise.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Small data by default; adaptive execution splits what is large and joins what is small.
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.adaptive.coalescePartitions.minPartitionSize": "4m",
    "spark.databricks.delta.snapshotPartitions": "1",
    # Files of a few hours or days: a run skips those of other times.
    "spark.sql.files.maxRecordsPerFile": "250000",
    # The default, 100 classes, is less than one build compiles: a warm engine would compile all of them again.
    "spark.sql.codegen.cache.maxEntries": "5000",
    # VACUUM lists folders with so many tasks; the default is 10,000.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    # Other readers (delta-rs, DuckDB) must be able to open every table: Spark's own format for times ends in 2262 for
    # them, and has no statistics.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.properties.defaults.columnMapping.mode": "none",
    # From statistics in the log Sail reads decimals and doubles inexactly.
    "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "0",
    # A killed client's statement ends soon after it, so that the next run meets no ghost.
    "spark.connect.execute.manager.detachedTimeout": "10s",
    "spark.connect.execute.manager.maintenanceInterval": "1s",
}


def openness(folder: Path) -> str | None:
    """Return a sentence if other users of the machine can reach the engine: they can't."""
    return None


def access(folder: Path) -> dict[str, str]:
    """Return what lets the owner alone in: a token that each call must carry."""
    return {"token": secrets.token_urlsafe(24)}


def command(settings: Settings, folder: Path, port: int, access: dict[str, str]) -> list[str]:
    """Return the command that runs the server at ``port``; ``folder`` takes Spark's temporary files."""
    jars.fetch(settings.project, to_stderr)
    conf = SPARK_CONF | {
        "spark.master": "local[*]",
        "spark.sql.warehouse.dir": str(settings.warehouse),
        "spark.local.dir": str(folder / "tmp"),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    conf |= _s3_options(settings)
    classpath = [jars.spark_jars() / "*", *jars.delta_jars(), *(jars.s3_jars() if settings.lake_buckets else ())]
    return [
        str(jars.java()),
        f"-Xmx{settings.engine_memory}",
        "-XX:+UseParallelGC",
        "-XX:ReservedCodeCacheSize=512m",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}",
        *JAVA_OPTIONS,
        *(f"-D{name}={value}" for name, value in conf.items()),
        "-cp",
        os.pathsep.join(map(str, classpath)),
        "org.apache.spark.sql.connect.service.SparkConnectServer",
    ]


def _s3_options(settings: Settings) -> dict[str, str]:
    """Return Spark's settings for buckets, none of them a secret: AWS' standard chain finds the credentials."""
    if not settings.lake_buckets:
        return {}
    endpoint = settings.aws_endpoint_url
    given = {
        "endpoint.region": settings.aws_region,
        "endpoint": endpoint,
        "path.style.access": "true" if endpoint else None,
        "aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        # A wrong key or bucket is reported after seconds, not minutes.
        "attempts.maximum": "5",
        "connection.establish.timeout": "5s",
    }
    return {f"spark.hadoop.fs.s3a.{name}": value for name, value in given.items() if value}


def home(settings: Settings) -> str:
    """Return the path by which the server knows the data home."""
    return str(settings.home)


def environment(settings: Settings, folder: Path, access: dict[str, str]) -> dict[str, str]:
    """Return the environment of the server, which other users can't read, unlike its command."""
    return {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONNECT_AUTHENTICATE_TOKEN": access["token"]}
