# PostgreSQL 17 in two zones, each commit in both before it is answered, and a replica for reads.

data "aws_partition" "this" {}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnets
}

resource "aws_security_group" "this" {
  name        = "${var.name}-database"
  description = "PostgreSQL, for the pods alone"
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id            = aws_security_group.this.id
  description                  = "The services"
  referenced_security_group_id = var.clients
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-17-"
  family      = "postgres17"
  description = "What the services need of PostgreSQL"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name         = "max_connections"
    value        = var.max_connections
    apply_method = "pending-reboot"
  }

  # Every plan locks all partitions of its tables with their indexes.
  parameter {
    name         = "max_locks_per_transaction"
    value        = 1024
    apply_method = "pending-reboot"
  }

  # Changes of the schema, and what takes longer than a second. Never their values: they are personal data.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  parameter {
    name  = "log_parameter_max_length"
    value = "0"
  }

  lifecycle {
    create_before_destroy = true
  }
}

data "aws_iam_policy_document" "monitoring_may" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring_may.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# RDS chooses the names. Where a statement fails, its message may name a customer.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:They may name customers, and are needed for as long as somebody looks for the cause of something.
  for_each = toset([
    "${var.name}/postgresql", "${var.name}/upgrade", "${var.name}-replica/postgresql", "${var.name}-replica/upgrade",
  ])

  name              = "/aws/rds/instance/${each.value}"
  retention_in_days = 90
  kms_key_id        = var.kms_key
}

resource "aws_db_instance" "primary" {
  #checkov:skip=CKV_AWS_161:The services log in with a password, in a Secret; they know no IAM.
  identifier     = var.name
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.type

  # Synchronous: an answered order is in both zones.
  multi_az               = true
  db_name                = "oms"
  username               = "oms_admin"
  password_wo            = var.password
  password_wo_version    = var.password_version
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false

  allocated_storage     = var.gigabytes
  max_allocated_storage = 10 * var.gigabytes
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key

  # Any moment of the last 14 days can be restored.
  backup_retention_period   = 14
  backup_window             = "01:00-02:00"
  maintenance_window        = "sun:02:30-sun:03:30"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-last"

  auto_minor_version_upgrade      = true
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.monitoring.arn
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_db_instance" "replica" {
  #checkov:skip=CKV_AWS_157:It is the second one already; reads go to the primary where it is away.
  #checkov:skip=CKV_AWS_161:As above.
  identifier          = "${var.name}-replica"
  replicate_source_db = aws_db_instance.primary.identifier
  instance_class      = var.type

  vpc_security_group_ids = [aws_security_group.this.id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false

  storage_type          = "gp3"
  max_allocated_storage = 10 * var.gigabytes
  # With the key of the primary.
  storage_encrypted = true

  maintenance_window    = "sun:04:00-sun:05:00"
  copy_tags_to_snapshot = true
  deletion_protection   = true
  skip_final_snapshot   = true

  auto_minor_version_upgrade      = true
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.monitoring.arn
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  depends_on = [aws_cloudwatch_log_group.this]
}
