# Staging: small, and without a standby.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # bucket and region are given to `terraform init -backend-config=…`: they belong to the account, not to the code
  backend "s3" {
    key          = "adventureworks/staging.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = {
      project     = "adventureworks-elt"
      environment = "staging"
      owner       = "data-platform"
      managed-by  = "terraform"
    }
  }
}

module "platform" {
  source = "../../modules/platform"

  environment      = "staging"
  image            = var.image
  image_readers    = var.image_readers
  domain           = var.domain
  certificate_arn  = var.certificate_arn
  allowed_cidrs    = var.allowed_cidrs
  alarm_email      = var.alarm_email
  settings         = merge({ SNOWFLAKE_ENVIRONMENT = "staging" }, var.settings)
  highly_available = false
  cidr             = "10.41.0.0/16"
  database_class   = "db.t4g.small"
  scheduler_size   = { cpu = 1024, memory = 4096 }

  secret_arns        = module.secrets.arns
  metadata_password  = module.secrets.metadata_password
  secrets_generation = local.secrets_generation
}

locals {
  secrets_generation = 1 # one more replaces the generated secrets: then the services have to be started again
}

module "secrets" {
  source = "../../modules/secrets"

  name        = module.platform.name
  kms_key_arn = module.platform.kms_key_arn
  generation  = local.secrets_generation
}
