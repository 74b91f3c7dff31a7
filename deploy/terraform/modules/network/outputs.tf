output "vpc" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "public_subnets" {
  description = "Its parts for the balancer."
  value       = aws_subnet.public[*].id
}

output "private_subnets" {
  description = "Its parts for nodes and pods."
  value       = aws_subnet.private[*].id
}

output "database_subnets" {
  description = "Its parts for the database."
  value       = aws_subnet.database[*].id
}

output "broker_subnets" {
  description = "Its parts for the broker."
  value       = aws_subnet.broker[*].id
}
