terraform {
  required_version = ">= 1.10"

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
