variable "name" {
  description = "What the names of its parts begin with."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network, a /16."
  type        = string
}

variable "zones" {
  description = "The three zones that it is in."
  type        = list(string)
}

variable "kms_key" {
  description = "Key that the log of connections is encrypted with."
  type        = string
}
