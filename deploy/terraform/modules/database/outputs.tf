output "address" {
  description = "Host of the primary."
  value       = aws_db_instance.primary.address
}

output "replica_address" {
  description = "Host of the replica."
  value       = aws_db_instance.replica.address
}
