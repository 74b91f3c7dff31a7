output "cluster" {
  description = "Name of the cluster, for `aws eks update-kubeconfig --name`."
  value       = module.cluster.name
}

output "database" {
  description = "Host of the database, for `url` in the Secret `oms-database`."
  value       = module.database.address
}

output "database_replica" {
  description = "Host of its replica, for `replica-url` in the same Secret."
  value       = module.database.replica_address
}

output "broker" {
  description = "URL of the broker without user and password, for the Secret `oms-broker`."
  value       = module.broker.url
}

output "secrets" {
  description = "Secrets that are to be filled, by name."
  value       = module.secrets.secrets
}

output "url" {
  description = "Where customers reach the shop."
  value       = "https://${var.domain}"
}
