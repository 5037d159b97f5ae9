variable "region" {
  description = "Region of the buckets, of Postgres and of the workspace."
  type        = string
}

variable "databricks_host" {
  description = "Address of the workspace, https://..."
  type        = string
}

variable "bucket_prefix" {
  description = "What the buckets' names begin with."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the workspace."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of that VPC in two availability zones or more."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Security groups that may reach Postgres."
  type        = list(string)
}

variable "deployers" {
  description = "Group of those who deploy and run."
  type        = string
}

variable "alert_email" {
  description = "Who is told when spending nears a budget."
  type        = string
}
