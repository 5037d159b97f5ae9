"""Fixtures of the tests that keep the lake in three buckets of a real S3 server process."""

import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from lakehouse import settings as settings_module
from lakehouse.settings import Settings
from support import s3_server
from support.isolation import no_settings
from support.project import PROJECT

BUCKETS = {
    name: f"{name.split('_')[0].lower()}-lake" for name in ("RAW_BUCKET", "PROCESSED_BUCKET", "ANALYTICS_BUCKET")
}
SECRET = "canary-of-aws-5e0c"


@pytest.fixture(scope="module")
def s3_gate() -> Iterator[s3_server.Gate]:
    with s3_server.running() as address:
        yield s3_server.Gate(address)


@pytest.fixture
def bucket_settings(s3_gate: s3_server.Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of a home whose lake is in three new buckets, also in this process's environment."""
    s3_gate.every, s3_gate.refuses = 0, None
    given = s3_server.environment(s3_gate.address) | {"AWS_SECRET_ACCESS_KEY": SECRET}
    given |= {name: f"{bucket}-{time.time_ns()}" for name, bucket in BUCKETS.items()}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in BUCKETS:
        boto3.client("s3").create_bucket(
            Bucket=given[name], CreateBucketConfiguration={"LocationConstraint": s3_server.REGION}
        )
    return given | {"CRYPTO_HOME": str(tmp_path / "home")}


@pytest.fixture
def lake_in_buckets(bucket_settings: dict[str, str]) -> Settings:
    return settings_module.load(no_settings() | bucket_settings, PROJECT)
