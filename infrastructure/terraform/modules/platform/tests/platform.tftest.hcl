# Plans of the module against a provider that answers without an account: what an environment promises.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  environment     = "production"
  image           = "0123abc"
  domain          = "airflow.example.com"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  allowed_cidrs   = ["203.0.113.0/24"]
  alarm_email     = "oncall@example.com"
  settings        = { AIRBYTE_URL = "https://api.example.com/v1" }
  secret_arns     = { METADATA_PASSWORD = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:made" }

  # the provider's mock has no ephemeral values: module secrets is tested by its text
  metadata_password = "made"
}

run "the_world_reaches_tls_and_nothing_else" {
  command = plan

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.tls : rule.from_port == 443 && rule.to_port == 443])
    error_message = "the load balancer takes more than TLS"
  }
  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.tls)) == toset(["203.0.113.0/24"])
    error_message = "somebody else than the allowed networks gets in"
  }
  assert {
    condition     = aws_lb_listener.tls.protocol == "HTTPS" && startswith(aws_lb_listener.tls.ssl_policy, "ELBSecurityPolicy-TLS13")
    error_message = "the login is not behind modern TLS"
  }
  assert {
    condition     = !aws_db_instance.metadata.publicly_accessible && alltrue([for service in aws_ecs_service.airflow : !service.network_configuration[0].assign_public_ip])
    error_message = "something has a public address"
  }
}

run "what_rests_is_encrypted_and_what_can_not_be_made_again_is_kept" {
  command = plan

  assert {
    condition     = aws_db_instance.metadata.storage_encrypted && aws_efs_file_system.state.encrypted
    error_message = "database or files are not encrypted"
  }
  assert {
    condition     = aws_db_instance.metadata.deletion_protection && aws_db_instance.metadata.backup_retention_period >= 7 && !aws_db_instance.metadata.skip_final_snapshot
    error_message = "the database could be lost"
  }
  assert {
    condition     = aws_db_instance.metadata.multi_az && length(aws_nat_gateway.this) == 2
    error_message = "production is not highly available"
  }
  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "the key is never changed"
  }
}

run "one_scheduler_at_a_time_and_every_service_watched" {
  command = plan

  assert {
    condition     = aws_ecs_service.airflow["airflow-scheduler"].desired_count == 1 && aws_ecs_service.airflow["airflow-scheduler"].deployment_maximum_percent == 100
    error_message = "a deployment would run two schedulers on the same files"
  }
  assert {
    condition     = alltrue([for service in keys(aws_ecs_service.airflow) : contains(keys(aws_cloudwatch_metric_alarm.this), "${service}-down")])
    error_message = "a service without an alarm"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["airflow-scheduler-down"].treat_missing_data == "breaching"
    error_message = "a dead scheduler sends no number: that has to be an alarm"
  }
  assert {
    condition     = alltrue([for service in aws_ecs_service.airflow : service.deployment_circuit_breaker[0].rollback])
    error_message = "a build that does not start stays"
  }
}

run "staging_does_without_the_standby" {
  command = plan

  variables {
    environment      = "staging"
    highly_available = false
  }

  assert {
    condition     = !aws_db_instance.metadata.multi_az && length(aws_nat_gateway.this) == 1 && length(aws_route.private) == 2
    error_message = "staging costs as much as production, or a zone has no way out"
  }
  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : startswith(bucket.bucket, "adventureworks-staging-")])
    error_message = "a name does not say which environment it belongs to"
  }
}

run "an_image_without_a_version_is_refused" {
  command = plan
  variables { image = "latest" }
  expect_failures = [var.image]
}

run "a_secret_among_the_settings_is_refused" {
  command = plan
  variables { settings = { AIRBYTE_CLIENT_SECRET = "x" } }
  expect_failures = [var.settings]
}

run "nobody_allowed_is_refused" {
  command = plan
  variables { allowed_cidrs = [] }
  expect_failures = [var.allowed_cidrs]
}
