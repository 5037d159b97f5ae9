"""Whether the buckets of the settings are there and open to this user, said in plain sentences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ingestion.errors import CryptoError
from ingestion.landing_zone import first_line
from ingestion.settings import Settings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

GRANTS = "s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject"
DENIED = ("AccessDenied", "AllAccessDisabled", "403", "Forbidden")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
UNKNOWN_KEY = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId")
ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "IllegalLocationConstraintException")


# As the engine tells that S3 refused it: "PutObject on <key>: ... (Service: S3, Status Code: 403, ...)".
REFUSED = re.compile(r"s3a?://([^/\s:]+).{0,500}?\(Service: S3, Status Code: 403", re.DOTALL)
# Delta does not say why; a new table's first folder is what a user without s3:PutObject meets first.
NO_FOLDER = re.compile(r"DELTA_CANNOT_CREATE_LOG_PATH\] Cannot create s3a?://([^/\s]+)")


def explain(text: str) -> str | None:
    """Return a sentence for what the engine said, if it is S3 that refused it."""
    if any(code in text for code in EXPIRED):
        return "The AWS session token has expired; log in again and set the new AWS_SESSION_TOKEN."
    if any(code in text for code in UNKNOWN_KEY):
        return "AWS refuses the access key; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
    if found := REFUSED.search(text) or NO_FOLDER.search(text):
        return f"S3 refuses a request in the bucket {found[1]!r}; grant this user {GRANTS} there."
    return None


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
    # What is wrong with the credentials is wrong three times.
    return list(dict.fromkeys(filter(None, sentences)))


def _problem(settings: Settings, name: str, bucket: str) -> str | None:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ParamValidationError

    try:
        _client(settings).list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        return _plain(error, name, bucket)
    except ParamValidationError:
        return f"{name} is {bucket!r}, which is no bucket's name; mend it."
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
    # A session of its own: the default one remembers credentials.
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
        return "The AWS session token has expired; log in again and set the new AWS_SESSION_TOKEN."
    if code in UNKNOWN_KEY:
        return "AWS refuses the access key; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
    if code in ELSEWHERE:
        return f"The bucket {bucket!r} of {name} is in another region; set AWS_REGION to it."
    return f"The bucket {bucket!r} of {name} can't be used ({first_line(error)}); check it and its policy."
