# Two kinds. Those that only our own programs share are made here, in passing: they are write-only, so neither plan nor state
# holds them. Those that others give are empty at first: `aws secretsmanager put-secret-value` fills them (docs/production.md).

locals {
  made = toset([
    "METADATA_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_OPERATOR_PASSWORD",
    "AIRFLOW_VIEWER_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
  ])
  given = toset([
    "AIRBYTE_CLIENT_SECRET",
    "SNOWFLAKE_PRIVATE_KEY",
    "SOURCE_READER_PASSWORD",
    "AIRFLOW_CONN_SLACK_DEFAULT",
    "AIRFLOW_CONN_SMTP_DEFAULT",
  ])
}

ephemeral "aws_secretsmanager_random_password" "made" {
  for_each            = local.made
  password_length     = 32
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57: they change with the generation or with their giver, both followed by a restart of the services
  for_each                = setunion(local.made, local.given)
  name                    = "${var.name}/${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "made" {
  for_each  = local.made
  secret_id = aws_secretsmanager_secret.this[each.key].id
  # a Fernet key is the base64 of 32 bytes; of letters and digits that is its URL-safe form, too
  secret_string_wo = (
    each.key == "AIRFLOW_FERNET_KEY"
    ? base64encode(ephemeral.aws_secretsmanager_random_password.made[each.key].random_password)
    : ephemeral.aws_secretsmanager_random_password.made[each.key].random_password
  )
  secret_string_wo_version = var.generation
}

# what was stored, so that database and programs get the same
ephemeral "aws_secretsmanager_secret_version" "metadata_password" {
  secret_id  = aws_secretsmanager_secret.this["METADATA_PASSWORD"].id
  version_id = aws_secretsmanager_secret_version.made["METADATA_PASSWORD"].version_id
}
