# What the job reads of Postgres. DB_PASSWORD is put by hand (docs/deploy.md): what Terraform writes, its state keeps in clear.
resource "databricks_secret_scope" "postgres" {
  name = "crypto-${var.environment}"
}

resource "databricks_secret_acl" "deployers" {
  scope      = databricks_secret_scope.postgres.name
  principal  = var.deployers
  permission = "READ"
}

locals {
  database = {
    DB_ENDPOINT    = aws_db_instance.postgres.address
    DB_PORT        = tostring(aws_db_instance.postgres.port)
    DB_NAME        = aws_db_instance.postgres.db_name
    DB_USER        = "crypto_job"
    DB_SSLMODE     = "verify-full"
    DB_SSLROOTCERT = "/Volumes/${databricks_catalog.crypto.name}/bronze/settings/rds.pem"
  }
}

resource "databricks_secret" "postgres" {
  for_each     = local.database
  scope        = databricks_secret_scope.postgres.name
  key          = each.key
  string_value = each.value
}

# The classic cluster: one node, small, and gone after two idle hours, whoever starts it.
resource "databricks_cluster_policy" "single_node" {
  name                  = "crypto-${var.environment}"
  max_clusters_per_user = 1
  definition = jsonencode({
    "is_single_node"          = { type = "fixed", value = true }
    "kind"                    = { type = "fixed", value = "CLASSIC_PREVIEW" }
    "autotermination_minutes" = { type = "range", minValue = 10, maxValue = 120, defaultValue = 120 }
    "node_type_id"            = { type = "allowlist", values = ["m5d.large", "m5d.xlarge"], defaultValue = "m5d.large" }
    "spark_version"           = { type = "regex", pattern = "17\\.3\\.x-scala2\\.13" }
    "data_security_mode"      = { type = "fixed", value = "DATA_SECURITY_MODE_DEDICATED" }
    "custom_tags.project"     = { type = "fixed", value = "crypto" }
  })
}

resource "databricks_permissions" "single_node" {
  cluster_policy_id = databricks_cluster_policy.single_node.id

  access_control {
    group_name       = var.deployers
    permission_level = "CAN_USE"
  }
}
