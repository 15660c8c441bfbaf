variable "name" {
  description = "Prefix of the secrets' names: adventureworks-ENVIRONMENT."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that they are encrypted with."
  type        = string
}

variable "generation" {
  description = "One more replaces all generated secrets."
  type        = number
}
