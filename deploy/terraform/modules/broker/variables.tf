variable "name" {
  description = "What the names of its parts begin with."
  type        = string
}

variable "vpc" {
  description = "The network."
  type        = string
}

variable "subnets" {
  description = "Its parts for the broker, in three zones."
  type        = list(string)
}

variable "clients" {
  description = "Security group of who may connect."
  type        = string
}

variable "type" {
  description = "Type of its nodes."
  type        = string
}

variable "engine_version" {
  description = "Version of RabbitMQ."
  type        = string
}

variable "password" {
  description = "Password of its user."
  type        = string
  sensitive   = true
}
