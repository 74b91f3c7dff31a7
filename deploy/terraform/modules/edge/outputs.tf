output "balancer" {
  description = "Name of the balancer that the domain leads to."
  value       = aws_lb.this.dns_name
}
