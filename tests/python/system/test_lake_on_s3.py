"""Whole runs in three buckets, on a real S3 server process: killed, and where nothing may be written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import psutil
import pytest
from support import s3_server
from support.bucket_fixtures import BUCKETS, SECRET
from support.compare_homes import compare
from support.databases import Server
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import engine
from lakehouse import settings as settings_module
from lakehouse.postgres import embedded
from lakehouse.settings import Settings


def crypto(*arguments: str, given: dict[str, str]) -> subprocess.Popen[str]:
    """Start a command in a group of its own."""
    return subprocess.Popen(
        [Path(sys.prefix) / "bin" / "crypto", *arguments],
        cwd=PROJECT,
        env=os.environ | no_settings() | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def said(*arguments: str, given: dict[str, str], code: int = 0) -> str:
    """Run a command to its end and return what it said."""
    process = crypto(*arguments, given=given)
    output = process.communicate(timeout=900)[0]
    assert process.returncode == code, output
    return output


SAMPLE = ("--trades", "600", "--days", "15", "--dirt", "0.05")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_killed_run_in_buckets_ends_as_a_local_one_and_tells_no_secret(
    s3_gate: s3_server.Gate, bucket_settings: dict[str, str], lake_in_buckets: Settings, tmp_path: Path
):
    server = Server(tmp_path / "server", embedded.binaries())
    server.start()
    database = server.database(lake_in_buckets).postgres
    assert database
    given = bucket_settings | {"DB_ENDPOINT": database.host, "DB_PORT": str(database.port), "DB_NAME": database.name}
    given |= {"DB_USER": database.user, "DB_PASSWORD": database.password, "DB_SSLMODE": "disable"}
    told: list[str] = []
    try:
        told.append(said("generate", *SAMPLE, "--to", f"s3://{lake_in_buckets.raw_bucket}/trades", given=given))
        s3_gate.every = 40
        first = crypto("run", given=given)
        # The run is killed, and the engine with it, when minutes are there and hours are not.
        silver = str(lake_in_buckets.processed_bucket)
        minutes = f"warehouse/silver.db/candles_1m/_delta_log/{1:020}.json"
        until = time.monotonic() + 600
        while first.poll() is None and time.monotonic() < until:
            if boto3.client("s3").list_objects_v2(Bucket=silver, Prefix=minutes).get("KeyCount"):
                break
            time.sleep(0.2)
        running = engine.status(lake_in_buckets)
        assert first.poll() is None and running
        arguments = " ".join(psutil.Process(running.server).cmdline())
        os.kill(running.server, signal.SIGKILL)
        os.killpg(first.pid, signal.SIGKILL)
        told += [first.communicate()[0], said("run", given=given)]
        assert "Done, with 1 thing to look at." in told[-1] and s3_gate.lost

        told.append(said("status", "--json", given=given))
        assert json.loads(told[-1])["problems"] == []
        told.append(said("engine", "stop", given=given))

        local = {"CRYPTO_HOME": str(tmp_path / "local")}
        said("generate", *SAMPLE, given=local)
        said("run", given=local)
        for command in (("engine", "stop"), ("postgres", "stop")):
            said(*command, given=local)
        assert compare(lake_in_buckets, settings_module.load(no_settings() | local, PROJECT)) == {}
        told.append(arguments)
        secrets = (SECRET, database.password)
        assert not [secret for secret in secrets if any(secret in text for text in told)]
        assert files_with(secrets, Path(given["CRYPTO_HOME"])) == []
        assert objects_with(secrets, [given[name] for name in BUCKETS]) == []
    finally:
        engine.stop(lake_in_buckets)
        server.stop()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_bucket_that_may_not_be_written_is_one_sentence(
    s3_gate: s3_server.Gate, bucket_settings: dict[str, str], lake_in_buckets: Settings
):
    said("generate", *SAMPLE, given=bucket_settings)
    said("engine", "start", given=bucket_settings)
    try:
        s3_gate.refuses, s3_gate.refused = (403, "AccessDenied"), ("PUT", "POST")
        output = said("ingest", given=bucket_settings, code=1)
        assert output.splitlines()[-1].startswith("Error: S3 refuses a request in the bucket 'raw-lake")
    finally:
        s3_gate.refuses = None
        said("engine", "stop", given=bucket_settings)
        said("postgres", "stop", given=bucket_settings)


def files_with(secrets: tuple[str, ...], folder: Path) -> list[str]:
    """Return the files below a folder that hold one of the secrets."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            found.append(str(path))
    return found


def objects_with(secrets: tuple[str, ...], names: list[str]) -> list[str]:
    """Return the objects of buckets that hold one of the secrets."""
    client, found = boto3.client("s3"), []
    for name in names:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for item in page.get("Contents", []):
                content = client.get_object(Bucket=name, Key=item["Key"])["Body"].read()
                found += [item["Key"]] * any(secret.encode() in content for secret in secrets)
    return found
