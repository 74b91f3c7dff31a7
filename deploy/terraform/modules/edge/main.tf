# What customers meet first: the name, the certificate, the rules against attacks, and the balancer, which hands everything to
# the gateway by HTTPS.

locals {
  # Of the gateway's Service: deploy/kubernetes/overlays/aws.
  node_port = 30443
}

resource "aws_acm_certificate" "this" {
  domain_name       = var.domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for option in aws_acm_certificate.this.domain_validation_options : option.domain_name => option
  }

  zone_id = var.zone_id
  name    = each.value.resource_record_name
  type    = each.value.resource_record_type
  records = [each.value.resource_record_value]
  ttl     = 300
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_security_group" "this" {
  name        = "${var.name}-balancer"
  description = "The internet to the balancer, and the balancer to the gateway"
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "Customers"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  #checkov:skip=CKV_AWS_260:Only to be sent to HTTPS.
  security_group_id = aws_security_group.this.id
  description       = "Customers who typed no https"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "gateway" {
  security_group_id            = aws_security_group.this.id
  description                  = "The gateway"
  referenced_security_group_id = var.nodes
  ip_protocol                  = "tcp"
  from_port                    = local.node_port
  to_port                      = local.node_port
}

resource "aws_vpc_security_group_ingress_rule" "gateway" {
  security_group_id            = var.nodes
  description                  = "The balancer to the gateway"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = local.node_port
  to_port                      = local.node_port
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:Its log would hold the secret links of guests and addresses in paths. The gateway's log leaves them out.
  #checkov:skip=CKV2_AWS_76:The rules against Log4j are there. The other list that it asks for would shut out customers with a VPN.
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  security_groups            = [aws_security_group.this.id]
  subnets                    = var.subnets
  drop_invalid_header_fields = true
  enable_deletion_protection = true
  preserve_host_header       = true
  # Less than the gateway waits for the next request on a connection (60): so it never closes one that a request is sent on.
  idle_timeout = 50
}

resource "aws_lb_target_group" "gateway" {
  name                 = "${var.name}-gateway"
  vpc_id               = var.vpc
  target_type          = "instance"
  protocol             = "HTTPS"
  port                 = local.node_port
  deregistration_delay = 30

  health_check {
    protocol = "HTTPS"
    # 503 as soon as the gateway is about to end: it goes on serving for 15 seconds, in which this asks often enough.
    path                = "/health/balancer"
    matcher             = "200"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_autoscaling_attachment" "nodes" {
  #checkov:skip=CKV2_AWS_15:The group is that of EKS, which replaces nodes that Kubernetes calls bad. A node without a gateway is none.
  autoscaling_group_name = var.scaling_group
  lb_target_group_arn    = aws_lb_target_group.gateway.arn
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.this.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.gateway.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_route53_record" "shop" {
  zone_id = var.zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}
