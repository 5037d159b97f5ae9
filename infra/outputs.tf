output "env" {
  description = "The lines of .env, without DB_PASSWORD and the credentials of Databricks: terraform output -raw env"
  value       = <<-EOT
    RAW_BUCKET=${aws_s3_bucket.lake["raw"].id}
    PROCESSED_BUCKET=${aws_s3_bucket.lake["processed"].id}
    ANALYTICS_BUCKET=${aws_s3_bucket.lake["analytics"].id}
    AWS_REGION=${var.region}
    DB_ENDPOINT=${local.database.DB_ENDPOINT}
    DB_PORT=${local.database.DB_PORT}
    DB_NAME=${local.database.DB_NAME}
    DB_USER=${local.database.DB_USER}
    DB_SSLMODE=${local.database.DB_SSLMODE}
    DB_SSLROOTCERT=rds.pem
    DATABRICKS_HOST=${var.databricks_host}
    DATABRICKS_CATALOG=${databricks_catalog.crypto.name}
  EOT
}

output "postgres_admin_secret_arn" {
  description = "The secret in Secrets Manager that holds the owner's password."
  value       = aws_db_instance.postgres.master_user_secret[0].secret_arn
}
