# All of them are given: on the command line, as TF_VAR_name, or in a file *.auto.tfvars that stays out of the repository.

variable "account" {
  description = "AWS account that this environment lives in: no other is touched."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "image" {
  description = "Tag of the image to run."
  type        = string
}

variable "image_readers" {
  description = "Other accounts that may fetch the image: production's, in staging."
  type        = list(string)
  default     = []
}

variable "domain" {
  description = "Name under which people reach Airflow."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate of that name."
  type        = string
}

variable "allowed_cidrs" {
  description = "Networks that may reach Airflow's login."
  type        = list(string)
}

variable "alarm_email" {
  description = "Receivers of the alarms."
  type        = string
}

variable "settings" {
  description = "Settings that are no secret: AIRBYTE_URL, AIRBYTE_CLIENT_ID, SOURCE_HOST, SNOWFLAKE_ACCOUNT …"
  type        = map(string)
}
