"""What the engine says of S3 becomes one sentence with its fix."""

from lakehouse.storage import s3


def test_what_the_engine_says_of_s3_is_one_sentence(settings):
    denied = (
        "[X] java.nio.file.AccessDeniedException: s3a://gold-lake/warehouse/gold.db/x/part-0.parquet: PutObject on "
        "warehouse/gold.db/x/part-0.parquet: software.amazon.awssdk.services.s3.model.S3Exception: Access Denied "
        "(Service: S3, Status Code: 403, Request ID: 1)"
    )
    no_folder = "[DELTA_CANNOT_CREATE_LOG_PATH] Cannot create s3a://gold-lake/warehouse/gold.db/x/_delta_log"
    assert s3.explain(settings, no_folder) == s3.explain(settings, denied)
    assert s3.explain(settings, denied) == (
        "S3 refuses a request in the bucket 'gold-lake'; grant this user s3:ListBucket, s3:GetObject, s3:PutObject and "
        "s3:DeleteObject there."
    )
    assert "session token has expired" in str(s3.explain(settings, "... (Service: S3, Status Code: 400) ExpiredToken"))
    assert s3.explain(settings, "[TABLE_OR_VIEW_NOT_FOUND] a table") is None
