# A small, private Postgres. Its owner's password is made, kept and rotated by Secrets Manager, and known to no file.
resource "aws_db_subnet_group" "postgres" {
  name       = "crypto-${var.environment}"
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "postgres" {
  name        = "crypto-${var.environment}-postgres"
  description = "Postgres, for the compute of the workspace only"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "postgres" {
  for_each                     = toset(var.client_security_group_ids)
  security_group_id            = aws_security_group.postgres.id
  referenced_security_group_id = each.value
  description                  = "Postgres from the workspace"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "postgres" {
  name   = "crypto-${var.environment}"
  family = "postgres16"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "10000"
  }
}

resource "aws_db_instance" "postgres" {
  #checkov:skip=CKV_AWS_157:A second zone doubles the cost; the tables are copies that one sync brings back from the lake.
  #checkov:skip=CKV_AWS_118:Enhanced monitoring is charged by the log; the free metrics are enough for a table a day.
  #checkov:skip=CKV_AWS_354:Performance Insights keeps a week at no cost, under the key of RDS.
  #checkov:skip=CKV_AWS_293:Protected in prod, by the variable; dev must be easy to remove.
  identifier     = "crypto-${var.environment}"
  engine         = "postgres"
  engine_version = "16"
  instance_class = var.instance_class
  db_name        = "crypto"
  username       = "crypto_admin"

  manage_master_user_password         = true
  iam_database_authentication_enabled = true
  publicly_accessible                 = false
  db_subnet_group_name                = aws_db_subnet_group.postgres.name
  vpc_security_group_ids              = [aws_security_group.postgres.id]
  parameter_group_name                = aws_db_parameter_group.postgres.name
  ca_cert_identifier                  = "rds-ca-rsa2048-g1"

  storage_type          = "gp3"
  allocated_storage     = 20
  max_allocated_storage = 50
  storage_encrypted     = true

  multi_az                        = false
  auto_minor_version_upgrade      = true
  backup_retention_period         = 7
  copy_tags_to_snapshot           = true
  performance_insights_enabled    = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  deletion_protection             = var.protected
  skip_final_snapshot             = !var.protected
  final_snapshot_identifier       = var.protected ? "crypto-${var.environment}-last" : null
}
