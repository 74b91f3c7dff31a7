output "kms_key" {
  description = "Key that everything is encrypted with."
  value       = aws_kms_key.this.arn
}

output "secrets" {
  description = "The secrets by name."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}
