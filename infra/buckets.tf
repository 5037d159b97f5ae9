# One bucket a layer: raw files and bronze, silver and snapshots, gold and sync.
locals {
  layers = toset(["raw", "processed", "analytics"])
}

resource "aws_s3_bucket" "lake" {
  #checkov:skip=CKV_AWS_18:Access logs would cost more than the data; CloudTrail can log object access when it is asked for.
  #checkov:skip=CKV_AWS_144:A second region doubles the cost; raw files can be delivered again and all else is computed from them.
  #checkov:skip=CKV_AWS_145:The keys of S3 itself encrypt at no cost; a key of our own adds a fee a request and shuts nobody out who has the role.
  #checkov:skip=CKV2_AWS_62:Nothing listens to events: the job lists the landing zone.
  for_each = local.layers
  bucket   = "${var.bucket_prefix}-${var.environment}-${each.key}"
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  for_each = local.layers
  bucket   = aws_s3_bucket.lake[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "lake" {
  for_each                = local.layers
  bucket                  = aws_s3_bucket.lake[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  for_each = local.layers
  bucket   = aws_s3_bucket.lake[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "lake" {
  for_each = local.layers
  bucket   = aws_s3_bucket.lake[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

# Delta removes files by itself; what it removed stays recoverable for a week, then it is gone.
resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  for_each   = local.layers
  bucket     = aws_s3_bucket.lake[each.key].id
  depends_on = [aws_s3_bucket_versioning.lake]

  rule {
    id     = "forget-what-was-removed"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  # Raw files, which only the raw bucket has, are read once; after that only a replay reads them.
  rule {
    id     = "landed-files-become-cheap"
    status = "Enabled"

    filter {
      prefix = "trades/"
    }

    transition {
      days          = 90
      storage_class = "GLACIER_IR"
    }
  }
}

data "aws_iam_policy_document" "tls_only" {
  for_each = aws_s3_bucket.lake

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "lake" {
  for_each   = local.layers
  bucket     = aws_s3_bucket.lake[each.key].id
  policy     = data.aws_iam_policy_document.tls_only[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.lake]
}
