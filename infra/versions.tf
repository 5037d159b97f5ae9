terraform {
  required_version = ">= 1.10"

  # Bucket, key and region of the state come from backend.tfbackend. Each environment has a workspace of its name, and so
  # a state of its own.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
    databricks = {
      source  = "databricks/databricks"
      version = "~> 1.99"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.13"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = "crypto"
      environment = var.environment
    }
  }
}

provider "databricks" {
  host = var.databricks_host
}
