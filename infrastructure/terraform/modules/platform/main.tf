# One environment: Airflow on Fargate behind a TLS load balancer, its database, its registry, its buckets, its secrets and alarms.
# Snowflake is not here (infrastructure/snowflake has it), nor Airbyte's connections (`elt airbyte apply`): one owner each.

data "aws_caller_identity" "this" {}

data "aws_region" "this" {}

locals {
  name    = "adventureworks-${var.environment}"
  account = data.aws_caller_identity.this.account_id
  region  = data.aws_region.this.name
  root    = "arn:aws:iam::${local.account}:root"
  zones   = [for letter in var.zones : "${local.region}${letter}"]
}

# ---- one key for all that rests

resource "aws_kms_key" "this" {
  description             = "${local.name}: data at rest"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${local.region}:${local.account}:*" } }
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.key_id
}
