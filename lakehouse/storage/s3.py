"""S3 as the settings name it: the file system, options for delta-rs, and what is wrong with a bucket, in sentences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pyarrow import fs

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

GRANTS = "s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject"
DENIED = ("AccessDenied", "AllAccessDisabled", "403", "Forbidden")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
UNKNOWN_KEY = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId")
OTHER_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "IllegalLocationConstraintException")

EXPIRED_TOKEN = "The AWS session token has expired; log in again and set the new AWS_SESSION_TOKEN."
REFUSED_KEY = "AWS refuses the access key; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."

# Spark's S3 client reports a refusal as "PutObject on <key>: ... (Service: S3, Status Code: 403, ...)".
REFUSED = re.compile(r"s3a?://([^/\s:]+).{0,500}?\(Service: S3, Status Code: 403", re.DOTALL)
# Without s3:PutObject the first thing to fail is a new table's folder, and Delta does not report why.
NO_FOLDER = re.compile(r"DELTA_CANNOT_CREATE_LOG_PATH\] Cannot create s3a?://([^/\s]+)")

# Sail names the key of what it may not read or write, without the bucket.
REFUSED_PATH = re.compile(r"lacked the necessary privileges to complete for path warehouse/(\w+)\.db")


def file_system(settings: Settings) -> fs.S3FileSystem:
    """Return the file system of S3; raises CryptoError when it can't be set up."""
    try:
        return fs.S3FileSystem(region=settings.aws_region, endpoint_override=settings.aws_endpoint_url or None)
    except (OSError, ValueError) as error:
        raise CryptoError(
            f"S3 can't be set up ({first_line(error)}); check AWS_REGION and AWS_ENDPOINT_URL."
        ) from error


def delta_options(settings: Settings) -> dict[str, str]:
    """Return what delta-rs needs to open a table in a bucket; it finds the credentials by AWS' standard chain."""
    if not settings.lake_buckets:
        return {}
    given = {"AWS_REGION": settings.aws_region, "AWS_ENDPOINT_URL": settings.aws_endpoint_url}
    return {name: value for name, value in given.items() if value} | {
        "AWS_ALLOW_HTTP": str((settings.aws_endpoint_url or "").startswith("http://")).lower()
    }


def explain(settings: Settings, text: str) -> str | None:
    """Return a sentence for an error message of the engine, if the cause is a refusal by S3."""
    if any(code in text for code in EXPIRED):
        return EXPIRED_TOKEN
    if any(code in text for code in UNKNOWN_KEY):
        return REFUSED_KEY
    if found := REFUSED.search(text) or NO_FOLDER.search(text):
        return _refusal(found[1])
    if found := REFUSED_PATH.search(text):
        return _refusal(settings.lake_buckets.get(found[1]) or settings.raw_bucket or "")
    return None


def _refusal(bucket: str) -> str:
    return f"S3 refuses a request in the bucket {bucket!r}; grant this user {GRANTS} there."


def check(settings: Settings) -> None:
    """Raise CryptoError, in one sentence, for the first bucket that can't be used."""
    found = problems(settings)
    if found:
        raise CryptoError(found[0])


def problems(settings: Settings) -> list[str]:
    """Return a sentence, with its fix, for each bucket of the settings that can't be read."""
    named = {
        "RAW_BUCKET": settings.raw_bucket,
        "PROCESSED_BUCKET": settings.processed_bucket,
        "ANALYTICS_BUCKET": settings.analytics_bucket,
    }
    given = {name: bucket for name, bucket in named.items() if bucket}
    if not given:
        return []
    sentences = [_problem(settings, name, bucket) for name, bucket in given.items()]
    # Wrong credentials give the same sentence for each bucket.
    return list(dict.fromkeys(filter(None, sentences)))


def _problem(settings: Settings, name: str, bucket: str) -> str | None:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ParamValidationError

    try:
        _client(settings).list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        return _plain(error, name, bucket)
    except ParamValidationError:
        return f"{name} is {bucket!r}, which is no bucket's name; correct it."
    except NoCredentialsError:
        return "S3 asks who you are; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
    except NoRegionError:
        return "AWS_REGION is not set; set it to the region of the buckets."
    except BotoCoreError as error:
        return f"S3 can't be reached ({first_line(error)}); check AWS_ENDPOINT_URL, AWS_REGION and the network."
    return None


def _client(settings: Settings) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
    # A new session each time: boto3's default one keeps the credentials that it first found.
    return boto3.session.Session().client(
        "s3", region_name=settings.aws_region, endpoint_url=settings.aws_endpoint_url or None, config=config
    )


def _plain(error: ClientError, name: str, bucket: str) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in ("NoSuchBucket", "404"):
        return f"There is no bucket {bucket!r}; set {name} to one that exists, or make it."
    if code in DENIED:
        return f"This user may not list the bucket {bucket!r} of {name}; grant it {GRANTS} there."
    if code in EXPIRED:
        return EXPIRED_TOKEN
    if code in UNKNOWN_KEY:
        return REFUSED_KEY
    if code in OTHER_REGION:
        return f"The bucket {bucket!r} of {name} is in another region; set AWS_REGION to it."
    return f"The bucket {bucket!r} of {name} can't be used ({first_line(error)}); check it and its policy."
