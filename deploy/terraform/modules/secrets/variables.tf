variable "name" {
  description = "What the names of its parts begin with."
  type        = string
}
