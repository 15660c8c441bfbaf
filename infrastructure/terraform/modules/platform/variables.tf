variable "environment" {
  description = "staging or production: part of every name and tag."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment: staging or production."
  }
}

variable "image" {
  description = "Tag of the image in the environment's registry that the services run (a commit's, never `latest`)."
  type        = string

  validation {
    condition     = var.image != "latest" && length(var.image) > 0
    error_message = "image: the tag of one build; `latest` says not which."
  }
}

variable "image_readers" {
  description = "Other accounts that may fetch the image."
  type        = list(string)
  default     = []
}

variable "domain" {
  description = "Name under which people reach Airflow; point it at the output `load_balancer`."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate of that name, in the same region."
  type        = string
}

variable "allowed_cidrs" {
  description = "Who may reach Airflow's login over TLS: the offices' and the VPN's networks."
  type        = list(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "allowed_cidrs: at least one network, as 203.0.113.0/24."
  }
}

variable "alarm_email" {
  description = "Receivers of the alarms."
  type        = string
}

variable "settings" {
  description = "Settings of the program that differ from .env.example and are no secret: AIRBYTE_URL, SOURCE_HOST, SNOWFLAKE_HOST …"
  type        = map(string)

  validation {
    condition     = length([for name in keys(var.settings) : name if can(regex("(PASSWORD|SECRET|PRIVATE_KEY|TOKEN|CONN_)", name))]) == 0
    error_message = "settings: a secret belongs in Secrets Manager (secrets.tf), not here."
  }
}

variable "secret_arns" {
  description = "Setting → the secret in Secrets Manager that holds it (module secrets)."
  type        = map(string)
}

variable "metadata_password" {
  description = "Of Airflow's role in the database. Ephemeral: it is in no plan and no state."
  type        = string
  ephemeral   = true
}

variable "secrets_generation" {
  description = "Generation of the secrets; with a new one the database takes its new password."
  type        = number
  default     = 1
}

variable "cidr" {
  description = "Network of the VPC."
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "Letters of the region's two availability zones to use."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = length(distinct(var.zones)) == 2
    error_message = "zones: two different ones."
  }
}

variable "highly_available" {
  description = "A standby database and a NAT gateway in each zone."
  type        = bool
  default     = true
}

variable "database_class" {
  description = "Size of the metadata database."
  type        = string
  default     = "db.t4g.medium"
}

variable "scheduler_size" {
  description = "CPU units and MiB of the scheduler, where the DAG's tasks and dbt run."
  type = object({
    cpu    = number
    memory = number
  })
  default = { cpu = 2048, memory = 8192 }
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 400
}
