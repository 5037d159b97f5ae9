# Databricks reaches the three buckets through one role, which it may use for this credential only.
data "aws_caller_identity" "current" {}

locals {
  role_name = "crypto-${var.environment}-unity-catalog"
  role_arn  = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/${local.role_name}"
}

# The credential is made first, from the name the role will have: only then is the external id known that the role asks for.
resource "databricks_storage_credential" "lake" {
  name            = "crypto-${var.environment}"
  comment         = "The buckets of the crypto lakehouse, ${var.environment}"
  skip_validation = true

  aws_iam_role {
    role_arn = local.role_arn
  }
}

data "databricks_aws_unity_catalog_assume_role_policy" "lake" {
  aws_account_id = data.aws_caller_identity.current.account_id
  role_name      = local.role_name
  external_id    = databricks_storage_credential.lake.aws_iam_role[0].external_id
}

data "aws_iam_policy_document" "lake" {
  statement {
    sid    = "Objects"
    effect = "Allow"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
      "s3:AbortMultipartUpload",
      "s3:ListMultipartUploadParts",
    ]
    resources = [for bucket in aws_s3_bucket.lake : "${bucket.arn}/*"]
  }

  statement {
    sid       = "Buckets"
    effect    = "Allow"
    actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"]
    resources = [for bucket in aws_s3_bucket.lake : bucket.arn]
  }

  # Unity Catalog asks that the role can assume itself.
  statement {
    sid       = "Itself"
    effect    = "Allow"
    actions   = ["sts:AssumeRole"]
    resources = [local.role_arn]
  }
}

resource "aws_iam_role" "lake" {
  name               = local.role_name
  description        = "Unity Catalog on the buckets of the crypto lakehouse, ${var.environment}"
  assume_role_policy = data.databricks_aws_unity_catalog_assume_role_policy.lake.json
}

resource "aws_iam_role_policy" "lake" {
  name   = "buckets"
  role   = aws_iam_role.lake.id
  policy = data.aws_iam_policy_document.lake.json
}

# A new role is known everywhere only after some seconds.
resource "time_sleep" "role_is_known" {
  create_duration = "30s"
  depends_on      = [aws_iam_role_policy.lake]
}

resource "databricks_external_location" "lake" {
  for_each           = aws_s3_bucket.lake
  name               = "crypto-${var.environment}-${each.key}"
  url                = "s3://${each.value.id}/"
  credential_name    = databricks_storage_credential.lake.name
  comment            = "The ${each.key} bucket of the crypto lakehouse, ${var.environment}"
  enable_file_events = false
  depends_on         = [time_sleep.role_is_known]
}

resource "databricks_catalog" "crypto" {
  name                           = "crypto_${var.environment}"
  comment                        = "Crypto trades, candles and indicators, ${var.environment}"
  storage_root                   = "${databricks_external_location.lake["analytics"].url}catalog"
  enable_predictive_optimization = "ENABLE"
}

resource "databricks_grant" "catalog" {
  catalog    = databricks_catalog.crypto.name
  principal  = var.deployers
  privileges = ["USE_CATALOG", "CREATE_SCHEMA"]
}

resource "databricks_grant" "locations" {
  for_each          = databricks_external_location.lake
  external_location = each.value.name
  principal         = var.deployers
  privileges        = each.key == "raw" ? ["CREATE_MANAGED_STORAGE", "CREATE_EXTERNAL_VOLUME"] : ["CREATE_MANAGED_STORAGE"]
}
