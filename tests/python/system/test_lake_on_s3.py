"""The lake in three buckets, on a real S3 server process: places, sentences, and the whole run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest
from support import s3_server
from support.compare_homes import compare
from support.databases import Server
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import engine
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.postgres import embedded
from lakehouse.settings import Settings
from lakehouse.storage import lake as lake_module
from lakehouse.storage import s3

BUCKETS = {
    name: f"{name.split('_')[0].lower()}-lake" for name in ("RAW_BUCKET", "PROCESSED_BUCKET", "ANALYTICS_BUCKET")
}
SECRET = "canary-of-aws-5e0c"


@pytest.fixture(scope="module")
def gate() -> Iterator[s3_server.Gate]:
    with s3_server.running() as address:
        yield s3_server.Gate(address)


@pytest.fixture
def given(gate: s3_server.Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of a home whose lake is in three new buckets, also in this process's environment."""
    gate.every, gate.refuses = 0, None
    given = s3_server.environment(gate.address) | {"AWS_SECRET_ACCESS_KEY": SECRET}
    given |= {name: f"{bucket}-{time.time_ns()}" for name, bucket in BUCKETS.items()}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in BUCKETS:
        boto3.client("s3").create_bucket(
            Bucket=given[name], CreateBucketConfiguration={"LocationConstraint": s3_server.REGION}
        )
    return given | {"CRYPTO_HOME": str(tmp_path / "home")}


@pytest.fixture
def lake(given: dict[str, str]) -> Settings:
    return settings_module.load(no_settings() | given, PROJECT)


def test_each_layer_lies_in_its_bucket(lake: Settings):
    places = {layer.schema: layer.address for layer in lake_module.all_layers(lake)}
    assert places == {
        "bronze": f"s3a://{lake.raw_bucket}/warehouse/bronze.db",
        "snapshots": f"s3a://{lake.processed_bucket}/warehouse/snapshots.db",
        "silver": f"s3a://{lake.processed_bucket}/warehouse/silver.db",
        "gold": f"s3a://{lake.analytics_bucket}/warehouse/gold.db",
        "sync": f"s3a://{lake.analytics_bucket}/warehouse/sync.db",
    }


def test_tables_and_views_of_a_bucket_are_found_and_forgotten(lake: Settings):
    import pyarrow as pa
    from deltalake import write_deltalake

    gold = lake_module.layer(lake, "gold")
    data = pa.table({"n": [1, 2]})
    write_deltalake(f"{gold.address}/numbers", data, storage_options=s3.delta_options(lake))
    gold.save_view("doubled", "select 1")
    # What a `create table` that was killed leaves behind.
    boto3.client("s3").put_object(Bucket=str(lake.analytics_bucket), Key="warehouse/gold.db/half/part-0.parquet")
    assert (gold.tables(), gold.views()) == (["numbers"], ["select 1"])
    table = lake_module.table(lake, "gold.numbers")
    assert table and table.to_pyarrow_table().num_rows == 2
    gold.tables(remove_unfinished=True)
    gold.delete("doubled", is_view=True)
    gold.delete("numbers", is_view=False)
    left = boto3.client("s3").list_objects_v2(Bucket=str(lake.analytics_bucket)).get("Contents", [])
    assert not [item["Key"] for item in left if not item["Key"].endswith("/")]


def test_a_lake_needs_all_three_buckets(given: dict[str, str]):
    with pytest.raises(CryptoError, match="ANALYTICS_BUCKET is not set"):
        settings_module.load(no_settings() | given | {"ANALYTICS_BUCKET": ""}, PROJECT)
    alone = settings_module.load(no_settings() | {"RAW_BUCKET": "raw"}, PROJECT)
    assert lake_module.layer(alone, "bronze").address == str(alone.warehouse / "bronze.db")


def test_open_buckets_are_no_problem(lake: Settings):
    assert s3.problems(lake) == []


def test_a_wrong_bucket_is_named_with_its_setting(given: dict[str, str]):
    wrong = settings_module.load(no_settings() | given | {"PROCESSED_BUCKET": "no-such-bucket"}, PROJECT)
    (problem,) = s3.problems(wrong)
    assert problem.startswith("There is no bucket 'no-such-bucket'; set PROCESSED_BUCKET")


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (403, "AccessDenied", "may not list the bucket .*; grant it s3:ListBucket"),
        (400, "ExpiredToken", "The AWS session token has expired; log in again"),
        (403, "InvalidAccessKeyId", "AWS refuses the access key"),
        (403, "SignatureDoesNotMatch", "AWS refuses the access key"),
        (400, "AuthorizationHeaderMalformed", "is in another region; set AWS_REGION"),
    ],
)
def test_what_s3_refuses_is_one_sentence(gate: s3_server.Gate, lake: Settings, status: int, code: str, sentence: str):
    gate.refuses = (status, code)
    with pytest.raises(CryptoError, match=sentence) as error:
        s3.check(lake)
    assert "\n" not in str(error.value) and SECRET not in str(error.value)


def test_missing_credentials_and_a_dead_endpoint_are_one_sentence(given: dict[str, str], monkeypatch):
    dead = settings_module.load(no_settings() | given | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, PROJECT)
    with pytest.raises(CryptoError, match="S3 can't be reached"):
        s3.check(dead)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(CryptoError, match="set AWS_ACCESS_KEY_ID"):
        s3.check(settings_module.load(no_settings() | given, PROJECT))


def test_what_the_engine_says_of_s3_is_one_sentence():
    denied = (
        "[X] java.nio.file.AccessDeniedException: s3a://gold-lake/warehouse/gold.db/x/part-0.parquet: PutObject on "
        "warehouse/gold.db/x/part-0.parquet: software.amazon.awssdk.services.s3.model.S3Exception: Access Denied "
        "(Service: S3, Status Code: 403, Request ID: 1)"
    )
    no_folder = "[DELTA_CANNOT_CREATE_LOG_PATH] Cannot create s3a://gold-lake/warehouse/gold.db/x/_delta_log"
    assert s3.explain(no_folder) == s3.explain(denied)
    assert s3.explain(denied) == (
        "S3 refuses a request in the bucket 'gold-lake'; grant this user s3:ListBucket, s3:GetObject, s3:PutObject and "
        "s3:DeleteObject there."
    )
    assert "session token has expired" in str(s3.explain("... (Service: S3, Status Code: 400) ExpiredToken"))
    assert s3.explain("[TABLE_OR_VIEW_NOT_FOUND] a table") is None


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
    gate: s3_server.Gate, given: dict[str, str], lake: Settings, tmp_path: Path
):
    server = Server(tmp_path / "server", embedded.binaries())
    server.start()
    database = server.database(lake).postgres
    assert database
    given |= {"DB_ENDPOINT": database.host, "DB_PORT": str(database.port), "DB_NAME": database.name}
    given |= {"DB_USER": database.user, "DB_PASSWORD": database.password, "DB_SSLMODE": "disable"}
    told: list[str] = []
    try:
        told.append(said("generate", *SAMPLE, "--to", f"s3://{lake.raw_bucket}/trades", given=given))
        gate.every = 40
        first = crypto("run", given=given)
        # The run is killed, and the engine with it, when minutes are there and hours are not.
        minutes = f"warehouse/silver.db/candles_1m/_delta_log/{1:020}.json"
        until = time.monotonic() + 600
        while first.poll() is None and time.monotonic() < until:
            if boto3.client("s3").list_objects_v2(Bucket=str(lake.processed_bucket), Prefix=minutes).get("KeyCount"):
                break
            time.sleep(0.2)
        running = engine.status(lake)
        assert first.poll() is None and running
        arguments = " ".join(psutil.Process(running.server).cmdline())
        os.kill(running.server, signal.SIGKILL)
        os.killpg(first.pid, signal.SIGKILL)
        told += [first.communicate()[0], said("run", given=given)]
        assert "All is well." in told[-1] and gate.lost

        told.append(said("status", "--json", given=given))
        assert json.loads(told[-1])["problems"] == []
        told.append(said("engine", "stop", given=given))

        local = {"CRYPTO_HOME": str(tmp_path / "local")}
        said("generate", *SAMPLE, given=local)
        said("run", given=local)
        for command in (("engine", "stop"), ("postgres", "stop")):
            said(*command, given=local)
        assert compare(lake, settings_module.load(no_settings() | local, PROJECT)) == {}
        told.append(arguments)
        secrets = (SECRET, database.password)
        assert not [secret for secret in secrets if any(secret in text for text in told)]
        assert files_with(secrets, Path(given["CRYPTO_HOME"])) == []
        assert objects_with(secrets, [given[name] for name in BUCKETS]) == []
    finally:
        engine.stop(lake)
        server.stop()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_bucket_that_may_not_be_written_is_one_sentence(gate: s3_server.Gate, given: dict[str, str], lake: Settings):
    said("generate", *SAMPLE, given=given)
    said("engine", "start", given=given)
    try:
        gate.refuses, gate.refused = (403, "AccessDenied"), ("PUT", "POST")
        output = said("ingest", given=given, code=1)
        assert output.splitlines()[-1].startswith("Error: S3 refuses a request in the bucket 'raw-lake")
    finally:
        gate.refuses = None
        said("engine", "stop", given=given)
        said("postgres", "stop", given=given)


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
