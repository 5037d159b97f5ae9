terraform {
  required_version = ">= 1.10"

  # Bucket, key and region of the state come from backend.hcl: terraform init -backend-config=backend.hcl
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = "crypto"
      environment = "prod"
    }
  }
}

provider "databricks" {
  host = var.databricks_host
}

module "lakehouse" {
  source = "../../modules/lakehouse"

  environment               = "prod"
  bucket_prefix             = var.bucket_prefix
  vpc_id                    = var.vpc_id
  subnet_ids                = var.subnet_ids
  client_security_group_ids = var.client_security_group_ids
  deployers                 = var.deployers
  alert_email               = var.alert_email
  protected                 = true
}

output "env" {
  description = "The lines of .env: terraform output -raw env"
  value       = "${module.lakehouse.env}DATABRICKS_HOST=${var.databricks_host}\n"
}

output "postgres_admin_secret_arn" {
  description = "Where Secrets Manager keeps the password of the owner of Postgres."
  value       = module.lakehouse.postgres_admin_secret_arn
}
