variable "region" {
  description = "Region that everything is in."
  type        = string
}

variable "zones" {
  description = "Three zones of it: ap-south-1a, ap-south-1b, ap-south-1c. Named, so that a new zone of AWS changes nothing."
  type        = list(string)

  validation {
    condition     = length(var.zones) == 3
    error_message = "The broker has a node in each of three zones."
  }
}

variable "name" {
  description = "Name of the installation; the names of its parts begin with it."
  type        = string
  default     = "oms"
}

variable "domain" {
  description = "Name by which customers reach the shop: ALLOWED_HOSTS of the services."
  type        = string
}

variable "zone" {
  description = "Zone of Route 53 that holds the domain."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network. deploy/kubernetes/overlays/production/network.yaml names those of database and broker."
  type        = string
  default     = "10.0.0.0/16"
}

variable "operators" {
  description = "Networks from which the API of Kubernetes is reached; none is: from within the network alone."
  type        = list(string)
  default     = []
}

variable "kubernetes_version" {
  description = "Version of Kubernetes; 1.30 or newer."
  type        = string
  default     = "1.34"
}

variable "node_type" {
  description = "Type of the nodes. A test counts what pods ask for with its four processors."
  type        = string
  default     = "m7i.xlarge"
}

variable "nodes" {
  description = "How many nodes there are at the least and at the most. More than the least come by an autoscaler of nodes, which is yours to install."
  type        = object({ min = number, max = number })
  default     = { min = 3, max = 9 }
}

variable "database_type" {
  description = "Type of the database server, and of its replica."
  type        = string
  default     = "db.m7g.xlarge"
}

variable "database_gigabytes" {
  description = "Disk of the database at the start; it grows by itself to ten times as much."
  type        = number
  default     = 100
}

variable "database_max_connections" {
  description = "Connections that the database takes. A test holds the sum of what all pods may take to it."
  type        = number
  default     = 750
}

variable "database_password" {
  description = "Password of the database's first user, from which the role of the services is made. It does not reach the state."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "database_password_version" {
  description = "Counted up to set another password."
  type        = number
  default     = 1
}

variable "broker_type" {
  description = "Type of the three nodes of RabbitMQ."
  type        = string
  default     = "mq.m7g.large"
}

variable "broker_version" {
  description = "Version of RabbitMQ. The types mq.m7g have 4.2 and newer."
  type        = string
  default     = "4.2"
}

variable "broker_password" {
  description = "Password of the user of RabbitMQ. Amazon MQ takes it in no other way: it stands in the state, so who reads that is who may read it."
  type        = string
  sensitive   = true
}
