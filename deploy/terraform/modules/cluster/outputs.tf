output "name" {
  description = "Name of the cluster."
  value       = aws_eks_cluster.this.name
}

output "security_group" {
  description = "Security group of nodes and pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "scaling_group" {
  description = "The group of the nodes, for the balancer."
  value       = aws_eks_node_group.this.resources[0].autoscaling_groups[0].name
}
