variable "name" {
  description = "What the names of its parts begin with."
  type        = string
}

variable "domain" {
  description = "Name by which customers reach the shop."
  type        = string
}

variable "zone_id" {
  description = "Zone that holds it."
  type        = string
}

variable "vpc" {
  description = "The network."
  type        = string
}

variable "subnets" {
  description = "Its public parts."
  type        = list(string)
}

variable "nodes" {
  description = "Security group of the nodes."
  type        = string
}

variable "scaling_group" {
  description = "Group of the nodes."
  type        = string
}

variable "kms_key" {
  description = "Key that logs are encrypted with."
  type        = string
}
