# Buckets: dbt's documentation, the tasks' logs, and who fetched what. And the folder that Airflow's programs share.

locals {
  buckets = toset(["docs", "logs", "access"])
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_144: what they hold is made again by the next run; a copy in another region would outlive nothing
  # checkov:skip=CKV2_AWS_62: nothing waits for a new object
  # checkov:skip=CKV_AWS_18: docs and logs have it, below; `access` is where it goes
  # checkov:skip=CKV_AWS_145: of the three only `access` has Amazon's key: the load balancer can't write with another
  for_each = local.buckets
  bucket   = "${local.name}-${each.key}-${local.account}"
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      # the load balancer can't write with a key of ours
      sse_algorithm     = each.key == "access" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "access" ? null : aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    id     = "forget"
    status = "Enabled"
    filter {}

    dynamic "expiration" {
      for_each = each.key == "docs" ? [] : [var.log_days]
      content {
        days = expiration.value
      }
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each      = setsubtract(local.buckets, ["access"])
  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["access"].id
  target_prefix = "s3/${each.key}/"
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      each.key != "access" ? [] : [{
        Sid       = "Deliveries"
        Effect    = "Allow"
        Principal = { Service = ["logdelivery.elasticloadbalancing.amazonaws.com", "logging.s3.amazonaws.com"] }
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.this["access"].arn}/*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      }],
    )
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

# ELT_HOME of the programs: dbt's manifest, the monitoring tables

resource "aws_efs_file_system" "state" {
  encrypted  = true
  kms_key_id = aws_kms_key.this.arn
  tags       = { Name = "${local.name}-state" }
}

resource "aws_efs_backup_policy" "state" {
  file_system_id = aws_efs_file_system.state.id

  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_efs_mount_target" "state" {
  count           = 2
  file_system_id  = aws_efs_file_system.state.id
  subnet_id       = aws_subnet.private[count.index].id
  security_groups = [aws_security_group.state.id]
}

resource "aws_efs_access_point" "state" {
  file_system_id = aws_efs_file_system.state.id

  posix_user { # the image's
    uid = 10001
    gid = 10001
  }
  root_directory {
    path = "/state"
    creation_info {
      owner_uid   = 10001
      owner_gid   = 10001
      permissions = "0700"
    }
  }
}

# ---- images

resource "aws_ecr_repository" "elt" {
  name                 = "${local.name}/elt"
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.this.arn
  }
}

# the same image runs in every environment: those of other accounts take it from here
resource "aws_ecr_repository_policy" "readers" {
  count      = length(var.image_readers) > 0 ? 1 : 0
  repository = aws_ecr_repository.elt.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = [for account in var.image_readers : "arn:aws:iam::${account}:root"] }
      Action    = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
    }]
  })
}

resource "aws_ecr_lifecycle_policy" "elt" {
  repository = aws_ecr_repository.elt.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "the last thirty builds: as far back as a rollback may go"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}
