variable "environment" {
  description = "dev or prod; it is part of every name, so that both can live in one account and one workspace."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "The environment is dev or prod."
  }

  # Variables of one environment on the state of the other would destroy it.
  validation {
    condition     = var.environment == terraform.workspace
    error_message = "These are the variables of ${var.environment}, but the workspace is ${terraform.workspace}: run terraform workspace select ${var.environment}."
  }
}

variable "region" {
  description = "Region of the buckets, of Postgres and of the workspace."
  type        = string
}

variable "databricks_host" {
  description = "Address of the workspace, https://..."
  type        = string
}

variable "bucket_prefix" {
  description = "What the buckets' names begin with; bucket names are unique in the whole world."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the workspace's classic compute, where Postgres lives too."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of that VPC in two availability zones or more."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Security groups that may reach Postgres: the workspace's, and the load balancer's for serverless."
  type        = list(string)
}

variable "deployers" {
  description = "Group of those who deploy the bundle and run the job: in dev developers too, in prod the service principal alone."
  type        = string
}

variable "alert_email" {
  description = "Who is told when spending nears a budget."
  type        = string
}

variable "instance_class" {
  description = "Size of Postgres."
  type        = string
  default     = "db.t4g.micro"
}

variable "protected" {
  description = "Whether Postgres refuses to be destroyed, and keeps a last snapshot if it is."
  type        = bool
}
