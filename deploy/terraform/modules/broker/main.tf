# Three nodes of RabbitMQ behind one name: a quorum queue has a member on each of them.

resource "aws_security_group" "this" {
  name        = "${var.name}-broker"
  description = "RabbitMQ, for the pods alone"
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id            = aws_security_group.this.id
  description                  = "The services, by amqps"
  referenced_security_group_id = var.clients
  ip_protocol                  = "tcp"
  from_port                    = 5671
  to_port                      = 5671
}

resource "aws_mq_broker" "this" {
  #checkov:skip=CKV_AWS_48:Logs are general ones: RabbitMQ has no audit log on Amazon MQ.
  #checkov:skip=CKV_AWS_197:The same.
  #checkov:skip=CKV_AWS_209:Encrypted with a key of AWS: a key of one's own is not taken for every type of RabbitMQ.
  broker_name         = var.name
  engine_type         = "RabbitMQ"
  engine_version      = var.engine_version
  host_instance_type  = var.type
  deployment_mode     = "CLUSTER_MULTI_AZ"
  subnet_ids          = var.subnets
  security_groups     = [aws_security_group.this.id]
  publicly_accessible = false

  auto_minor_version_upgrade = true

  user {
    username = "oms"
    password = var.password
  }

  logs {
    general = true
  }

  maintenance_window_start_time {
    day_of_week = "SUNDAY"
    time_of_day = "05:30"
    time_zone   = "UTC"
  }
}
