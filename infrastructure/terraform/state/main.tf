# The bucket of Terraform's own state, once per account, before anything else. Its own state is a local file: it may be lost,
# the bucket is found again with `terraform import`.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "account" {
  description = "AWS account: no other is touched."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = {
      project     = "adventureworks-elt"
      environment = "shared"
      owner       = "data-platform"
      managed-by  = "terraform"
    }
  }
}

resource "aws_s3_bucket" "state" {
  # checkov:skip=CKV_AWS_144: the versions in one region are enough to describe what can be imported again
  # checkov:skip=CKV_AWS_18: CloudTrail has its readers; a bucket for the logs of one bucket would need one, too
  # checkov:skip=CKV2_AWS_62: nothing waits for a new object
  # checkov:skip=CKV2_AWS_61: every version stays
  bucket = "adventureworks-terraform-${var.account}"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

output "bucket" {
  description = "For `terraform init -backend-config=bucket=…`."
  value       = aws_s3_bucket.state.id
}
