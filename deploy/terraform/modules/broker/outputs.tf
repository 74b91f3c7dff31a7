output "url" {
  description = "URL without user and password: amqps, port 5671."
  value       = aws_mq_broker.this.instances[0].endpoints[0]
}
