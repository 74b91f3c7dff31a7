variable "name" {
  description = "What the names of its parts begin with."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes."
  type        = string
}

variable "subnets" {
  description = "Parts of the network for nodes and pods."
  type        = list(string)
}

variable "operators" {
  description = "Networks from which the API is reached."
  type        = list(string)
}

variable "node_type" {
  description = "Type of the nodes."
  type        = string
}

variable "nodes" {
  description = "How many there are at the least and at the most."
  type        = object({ min = number, max = number })
}

variable "kms_key" {
  description = "Key that Secrets and logs are encrypted with."
  type        = string
}
