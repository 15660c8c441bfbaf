# Airflow's four programs, each a service of the one image. The scheduler runs the tasks itself (LocalExecutor): a batch every
# quarter of an hour, whose work is Airbyte's and Snowflake's, needs no workers.

locals {
  services = {
    airflow-api-server    = { cpu = 1024, memory = 3072 }
    airflow-scheduler     = var.scheduler_size
    airflow-dag-processor = { cpu = 512, memory = 2048 }
    airflow-triggerer     = { cpu = 512, memory = 2048 }
  }
  environment = merge(
    {
      ELT_HOME                 = "/state"
      ELT_ENVIRONMENT          = var.environment
      LISTEN_HOST              = "0.0.0.0" # within the private subnets
      METADATA_HOST            = aws_db_instance.metadata.address
      METADATA_PORT            = "5432"
      PGSSLMODE                = "require"
      AIRFLOW_URL              = "http://airflow-api-server.${aws_service_discovery_private_dns_namespace.this.name}:8080"
      AIRFLOW_PUBLIC_URL       = "https://${var.domain}"
      AIRBYTE_DESTINATION      = "snowflake"
      DBT_TARGET               = "snowflake"
      DBT_DOCS_URI             = "s3://${aws_s3_bucket.this["docs"].id}"
      AIRFLOW_CONN_AWS_DEFAULT = "aws://" # the task's own role

      AIRFLOW__LOGGING__REMOTE_LOGGING         = "True"
      AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER = "s3://${aws_s3_bucket.this["logs"].id}/tasks"
      AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID     = "aws_default"
    },
    var.settings,
  )
  container = {
    image                  = "${aws_ecr_repository.elt.repository_url}:${var.image}"
    essential              = true
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true }
    environment            = [for name, value in local.environment : { name = name, value = value }]
    secrets                = [for name, arn in var.secret_arns : { name = name, valueFrom = arn }]
    mountPoints = [
      { sourceVolume = "state", containerPath = "/state", readOnly = false },
      { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
    ]
  }
}

resource "aws_ecs_cluster" "this" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name = "${local.name}.internal"
  vpc  = aws_vpc.this.id
}

resource "aws_service_discovery_service" "api_server" {
  name = "airflow-api-server"

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.this.id
    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

resource "aws_cloudwatch_log_group" "airflow" {
  for_each          = local.services
  name              = "/${local.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_ecs_task_definition" "airflow" {
  for_each                 = local.services
  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.airflow.arn

  container_definitions = jsonencode(concat(
    # the scheduler's start brings the database to this version first; the others are started again until it has
    each.key != "airflow-scheduler" ? [] : [merge(local.container, {
      name      = "prepare"
      command   = ["python", "-m", "stack.airflow", "prepare"]
      essential = false
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.airflow[each.key].name
          awslogs-region        = local.region
          awslogs-stream-prefix = "prepare"
        }
      }
    })],
    [merge(local.container, {
      name         = each.key
      command      = ["python", "-m", "stack.airflow", each.key]
      dependsOn    = each.key != "airflow-scheduler" ? [] : [{ containerName = "prepare", condition = "SUCCESS" }]
      portMappings = each.key != "airflow-api-server" ? [] : [{ containerPort = 8080, protocol = "tcp" }]
      stopTimeout  = 120
      healthCheck = {
        command     = ["CMD", "python", "-m", "stack.health", each.key]
        interval    = 30
        timeout     = 30
        retries     = 5
        startPeriod = 300
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.airflow[each.key].name
          awslogs-region        = local.region
          awslogs-stream-prefix = "airflow"
        }
      }
    })],
  ))

  volume {
    name = "tmp"
  }
  volume {
    name = "state"
    efs_volume_configuration {
      file_system_id     = aws_efs_file_system.state.id
      transit_encryption = "ENABLED"
      authorization_config {
        access_point_id = aws_efs_access_point.state.id
        iam             = "ENABLED"
      }
    }
  }
}

resource "aws_ecs_service" "airflow" {
  for_each        = local.services
  name            = each.key
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.airflow[each.key].arn
  desired_count   = 1
  launch_type     = "FARGATE"

  # of the scheduler never two: its tasks write the same files
  deployment_minimum_healthy_percent = each.key == "airflow-api-server" ? 100 : 0
  deployment_maximum_percent         = each.key == "airflow-api-server" ? 200 : 100
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  wait_for_steady_state = true # what follows an apply meets the new programs

  timeouts {
    create = "30m"
    update = "30m"
  }

  network_configuration {
    subnets          = aws_subnet.private[*].id
    security_groups  = [aws_security_group.airflow.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = each.key == "airflow-api-server" ? [1] : []
    content {
      target_group_arn = aws_lb_target_group.airflow.arn
      container_name   = each.key
      container_port   = 8080
    }
  }

  dynamic "service_registries" {
    for_each = each.key == "airflow-api-server" ? [1] : []
    content {
      registry_arn = aws_service_discovery_service.api_server.arn
    }
  }

  depends_on = [aws_lb_listener.tls, aws_efs_mount_target.state]
}

# ---- what starting a task may do: fetch the image and the secrets, write logs

locals {
  by_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role" "start" {
  name               = "${local.name}-start"
  assume_role_policy = local.by_tasks
}

resource "aws_iam_role_policy" "start" {
  name = "start"
  role = aws_iam_role.start.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
        Resource = aws_ecr_repository.elt.arn
      },
      {
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken" # it is not a repository's
        Resource = "*"
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for group in aws_cloudwatch_log_group.airflow : "${group.arn}:*"]
      },
      {
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = values(var.secret_arns)
      },
      {
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.this.arn
      },
    ]
  })
}

# ---- what Airflow itself may do: write documentation and logs, use its files

resource "aws_iam_role" "airflow" {
  name               = "${local.name}-airflow"
  assume_role_policy = local.by_tasks
}

resource "aws_iam_role_policy" "airflow" {
  name = "airflow"
  role = aws_iam_role.airflow.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        Resource = [for name in ["docs", "logs"] : "${aws_s3_bucket.this[name].arn}/*"]
      },
      {
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = [for name in ["docs", "logs"] : aws_s3_bucket.this[name].arn]
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = aws_kms_key.this.arn
      },
      {
        Effect    = "Allow"
        Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
        Resource  = aws_efs_file_system.state.arn
        Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.state.arn } }
      },
    ]
  })
}
