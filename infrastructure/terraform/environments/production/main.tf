# Production: a standby database, a way out in each zone.

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
    key          = "adventureworks/production.tfstate"
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
      environment = "production"
      owner       = "data-platform"
      managed-by  = "terraform"
    }
  }
}

module "platform" {
  source = "../../modules/platform"

  environment     = "production"
  image           = var.image
  image_readers   = var.image_readers
  domain          = var.domain
  certificate_arn = var.certificate_arn
  allowed_cidrs   = var.allowed_cidrs
  alarm_email     = var.alarm_email
  settings        = var.settings

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
