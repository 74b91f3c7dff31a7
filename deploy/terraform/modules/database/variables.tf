variable "name" {
  description = "What the names of its parts begin with."
  type        = string
}

variable "vpc" {
  description = "The network."
  type        = string
}

variable "subnets" {
  description = "Its parts for the database."
  type        = list(string)
}

variable "clients" {
  description = "Security group of who may connect."
  type        = string
}

variable "type" {
  description = "Type of the server and of its replica."
  type        = string
}

variable "gigabytes" {
  description = "Disk at the start."
  type        = number
}

variable "max_connections" {
  description = "Connections that it takes."
  type        = number
}

variable "password" {
  description = "Password of the first user; it does not reach the state."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "password_version" {
  description = "Counted up to set another password."
  type        = number
}

variable "kms_key" {
  description = "Key that everything is encrypted with."
  type        = string
}
