"""The lake in three buckets, on a real S3 server process: places, tables and views, and sentences."""

from dataclasses import replace

import boto3
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from support import s3_server
from support.bucket_fixtures import SECRET
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from lakehouse.storage import lake as lake_module
from lakehouse.storage import s3


def test_each_layer_lies_in_its_bucket(lake_in_buckets: Settings):
    places = {layer.schema: layer.address for layer in lake_module.all_layers(lake_in_buckets)}
    assert places == {
        "bronze": f"s3a://{lake_in_buckets.raw_bucket}/warehouse/bronze.db",
        "snapshots": f"s3a://{lake_in_buckets.processed_bucket}/warehouse/snapshots.db",
        "silver": f"s3a://{lake_in_buckets.processed_bucket}/warehouse/silver.db",
        "gold": f"s3a://{lake_in_buckets.analytics_bucket}/warehouse/gold.db",
        "sync": f"s3a://{lake_in_buckets.analytics_bucket}/warehouse/sync.db",
    }


def test_tables_and_views_of_a_bucket_are_found_and_forgotten(lake_in_buckets: Settings):
    gold = lake_module.layer(lake_in_buckets, "gold")
    data = pa.table({"n": [1, 2]})
    write_deltalake(f"{gold.address}/numbers", data, storage_options=s3.delta_options(lake_in_buckets))
    gold.save_view("doubled", "select 1", "select 1")
    # What a `create table` that was killed leaves behind.
    boto3.client("s3").put_object(
        Bucket=str(lake_in_buckets.analytics_bucket), Key="warehouse/gold.db/half/part-0.parquet"
    )
    assert (gold.tables(), gold.views(sail=True)) == (["numbers"], ["select 1"])
    table = lake_module.table(lake_in_buckets, "gold.numbers")
    assert table and table.to_pyarrow_table().num_rows == 2
    gold.tables(remove_unfinished=True)
    gold.delete("doubled", is_view=True)
    gold.delete("numbers", is_view=False)
    left = boto3.client("s3").list_objects_v2(Bucket=str(lake_in_buckets.analytics_bucket)).get("Contents", [])
    assert not [item["Key"] for item in left if not item["Key"].endswith("/")]


def test_a_commit_that_another_writer_makes_in_between_is_kept(lake_in_buckets: Settings, s3_gate: s3_server.Gate):
    # delta-rs holds Python's lock while it alters a table, so a gate in this process could not answer it.
    direct = replace(lake_in_buckets, aws_endpoint_url=s3_gate.target.geturl())
    place, data = f"{lake_module.layer(direct, 'gold').address}/numbers", pa.table({"n": [1, 2]})
    write_deltalake(place, data, storage_options=s3.delta_options(direct))
    table = lake_module.table(direct, "gold.numbers")
    write_deltalake(place, data, mode="append", storage_options=s3.delta_options(direct))
    assert table
    table.alter.set_table_description("Numbers.")
    found = lake_module.table(direct, "gold.numbers")
    assert found and (found.to_pyarrow_table().num_rows, found.metadata().description) == (4, "Numbers.")


def test_a_lake_needs_all_three_buckets(bucket_settings: dict[str, str]):
    with pytest.raises(CryptoError, match="ANALYTICS_BUCKET is not set"):
        settings_module.load(no_settings() | bucket_settings | {"ANALYTICS_BUCKET": ""}, PROJECT)
    alone = settings_module.load(no_settings() | {"RAW_BUCKET": "raw"}, PROJECT)
    assert lake_module.layer(alone, "bronze").address == str(alone.warehouse / "bronze.db")


def test_open_buckets_are_no_problem(lake_in_buckets: Settings):
    assert s3.problems(lake_in_buckets) == []


def test_a_wrong_bucket_is_named_with_its_setting(bucket_settings: dict[str, str]):
    wrong = settings_module.load(no_settings() | bucket_settings | {"PROCESSED_BUCKET": "no-such-bucket"}, PROJECT)
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
def test_what_s3_refuses_is_one_sentence(
    s3_gate: s3_server.Gate, lake_in_buckets: Settings, status: int, code: str, sentence: str
):
    s3_gate.refuses = (status, code)
    with pytest.raises(CryptoError, match=sentence) as error:
        s3.check(lake_in_buckets)
    assert "\n" not in str(error.value) and SECRET not in str(error.value)


def test_missing_credentials_and_a_dead_endpoint_are_one_sentence(bucket_settings: dict[str, str], monkeypatch):
    dead = settings_module.load(no_settings() | bucket_settings | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, PROJECT)
    with pytest.raises(CryptoError, match="S3 can't be reached"):
        s3.check(dead)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(CryptoError, match="set AWS_ACCESS_KEY_ID"):
        s3.check(settings_module.load(no_settings() | bucket_settings, PROJECT))
