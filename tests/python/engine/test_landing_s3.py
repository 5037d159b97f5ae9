"""The landing zone in a bucket, against a real S3 server process."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from support import market_files
from support import s3_server as s3_server_process

from ingestion import landing_zone, ledger, normalise
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from lakehouse.storage import raw_files
from market_data import import_files, sample
from market_data.trade_files import ImportOptions


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    with s3_server_process.running() as address:
        yield address


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3_server_process.environment(s3_server).items():
        monkeypatch.setenv(name, value)
    name = f"raw-{time.time_ns()}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


@pytest.fixture
def cloud(bucket: str, s3_server: str, settings: Settings) -> Settings:
    """Settings whose landing zone is the bucket."""
    given = {"RAW_BUCKET": bucket, "AWS_ENDPOINT_URL": s3_server, "AWS_REGION": "eu-central-1"}
    return settings_module.load({"CRYPTO_HOME": str(settings.home), "CRYPTO_CONFIG": "", **given})


def put(settings: Settings, key: str, content: bytes) -> None:
    boto3.client("s3").put_object(Bucket=settings.raw_bucket, Key=key, Body=content)


def test_a_sample_in_a_bucket_is_listed_and_left_alone_the_second_time(cloud: Settings):
    addresses = sample.generate(raw_files.destination(cloud), trades=500)
    zone = landing_zone.of(cloud)
    listed = zone.list().files
    assert [f"{cloud.landing_zone}/{file.path}" for file in listed] == addresses
    time.sleep(1.1)
    assert sample.generate(raw_files.destination(cloud), trades=500) == addresses
    assert zone.list().files == listed
    assert all(zone.holds(file) for file in listed)


def test_market_data_is_written_into_a_bucket_once(cloud: Settings, tmp_path):
    trade = {"id": 1, "price": "1.5", "volume": "2", "side": "BUY", "time": datetime(2024, 3, 1, tzinfo=UTC)}
    file = market_files.binance(tmp_path / "BTCUSDT-trades-2024-03-01.zip", [trade])
    (day,) = import_files.Import([file], ImportOptions()).write(cloud)
    listed = landing_zone.of(cloud).list().files
    assert [one.path for one in listed] == [day.path] and day.is_new
    time.sleep(1.1)
    (again,) = import_files.Import([file], ImportOptions()).write(cloud)
    assert (again.is_new, landing_zone.of(cloud).list().files) == (False, listed)
    (other,) = import_files.Import([market_files.binance(file, [trade | {"price": "1.6"}])], ImportOptions()).write(
        cloud
    )
    assert other.replaced == (day.path,) and len(landing_zone.of(cloud).list().files) == 2


def test_only_parquet_below_trades_without_a_temporary_name_is_listed(cloud: Settings):
    odd = "day=1/a b+%20'é [1].parquet"
    for key in (
        "trades/x.parquet",
        f"trades/{odd}",
        "trades/_x.parquet",
        "trades/.t/x.parquet",
        "other/x.parquet",
    ):
        put(cloud, key, b"x")
    put(cloud, "trades/folder.parquet/", b"")
    assert [(file.path, file.size) for file in landing_zone.of(cloud).list().files] == [(odd, 1), ("x.parquet", 1)]


def test_a_bucket_without_trades_is_an_empty_landing_zone(cloud: Settings):
    assert landing_zone.of(cloud).list().files == []


def test_files_of_a_bucket_land_once_and_bad_ones_are_set_aside(spark, schema, cloud: Settings):
    first, second = sample.generate(raw_files.destination(cloud), trades=500)
    put(cloud, "trades/cut.parquet", b"PAR1 and no more")
    put(cloud, "trades/empty.parquet", b"")
    landed = ledger.ingest(spark, cloud, schema=schema)
    assert landed.files == {address.removeprefix(f"{cloud.landing_zone}/"): 250 for address in (first, second)}
    assert {path: why.reason for path, why in landed.set_aside.items()} == {
        "cut.parquet": "unreadable",
        "empty.parquet": "empty",
    }
    again = ledger.ingest(spark, cloud, schema=schema)
    assert (again.files, again.set_aside, len(again.waiting)) == ({}, {}, 2)


def test_a_lost_line_is_not_taken_for_a_broken_file(cloud: Settings, monkeypatch: pytest.MonkeyPatch):
    sample.generate(raw_files.destination(cloud), trades=500)
    zone = landing_zone.of(cloud)
    listed = zone.list().files

    def lose(self, file):
        raise OSError("When reading: connection lost")

    monkeypatch.setattr(landing_zone.Bucket, "open", lose)
    batch = normalise.Batch(zone, 1, listed[0].modified_at)
    staged = normalise.normalise(batch, listed, cloud.home / "staging")
    assert [(why.reason, why.lasting) for why in staged.set_aside.values()] == [("unreadable", False)] * 2


def test_a_wrong_bucket_is_one_sentence(cloud: Settings, s3_server: str, tmp_path):
    given = {"RAW_BUCKET": "no-such-bucket", "AWS_ENDPOINT_URL": s3_server, "AWS_REGION": "eu-central-1"}
    wrong = settings_module.load({"CRYPTO_HOME": str(cloud.home), "CRYPTO_CONFIG": "", **given})
    with pytest.raises(CryptoError, match="no-such-bucket"):
        landing_zone.of(wrong).list()
    with pytest.raises(CryptoError, match="no-such-bucket"):
        sample.generate(raw_files.destination(wrong), trades=500)
    file = market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", market_files.TRADES)
    given = import_files.Import([file], ImportOptions())
    assert list(given.write(wrong)) == [] and "no-such-bucket" in given.refused[0]


def test_a_key_that_arrow_refuses_is_set_aside_and_the_others_land(spark, schema, cloud: Settings):
    (address,) = sample.generate(raw_files.destination(cloud), trades=500, files=1)
    good = boto3.client("s3").get_object(Bucket=cloud.raw_bucket, Key=address.removeprefix(f"s3://{cloud.raw_bucket}/"))
    content = good["Body"].read()
    for key in ("trades//x.parquet", "trades/day=1//y.parquet"):
        put(cloud, key, content)
    put(cloud, "trades/folder.parquet/", b"")
    landed = ledger.ingest(spark, cloud, schema=schema)
    assert landed.rows == 500
    assert {path: (why.reason, why.lasting) for path, why in landed.set_aside.items()} == {
        "/x.parquet": ("unreadable", True),
        "day=1//y.parquet": ("unreadable", True),
    }
    assert "another key" in landed.set_aside["/x.parquet"].detail
    assert len(ledger.ingest(spark, cloud, schema=schema).waiting) == 2
