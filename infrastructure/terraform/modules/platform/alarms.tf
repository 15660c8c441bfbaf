# What somebody has to look at, apart from what the DAG itself reports: that there is an Airflow to report.

resource "aws_sns_topic" "alarms" {
  name              = "${local.name}-alarms"
  kms_master_key_id = aws_kms_key.this.id
}

resource "aws_sns_topic_subscription" "alarms" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  database = { DBInstanceIdentifier = aws_db_instance.metadata.identifier }
  balancer = { LoadBalancer = aws_lb.this.arn_suffix }
  alarms = merge(
    {
      database-cpu         = { namespace = "AWS/RDS", metric = "CPUUtilization", above = 80, dimensions = local.database }
      database-connections = { namespace = "AWS/RDS", metric = "DatabaseConnections", above = 150, dimensions = local.database }
      database-disk        = { namespace = "AWS/RDS", metric = "FreeStorageSpace", below = 4 * 1024 * 1024 * 1024, dimensions = local.database }
      api-errors           = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", above = 10, dimensions = local.balancer }
      api-down = {
        namespace  = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Minimum", below = 1, missing = "breaching"
        dimensions = merge(local.balancer, { TargetGroup = aws_lb_target_group.airflow.arn_suffix })
      }
    },
    {
      for service in keys(local.services) : "${service}-down" => {
        namespace  = "ECS/ContainerInsights", metric = "RunningTaskCount", statistic = "Minimum", below = 1, missing = "breaching"
        dimensions = { ClusterName = aws_ecs_cluster.this.name, ServiceName = service }
      }
    },
    {
      for service in keys(local.services) : "${service}-memory" => {
        namespace  = "AWS/ECS", metric = "MemoryUtilization", statistic = "Maximum", above = 90
        dimensions = { ClusterName = aws_ecs_cluster.this.name, ServiceName = service }
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "${local.name}: ${each.key}. What to do: docs/operate.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = try(each.value.statistic, "Average")
  comparison_operator = can(each.value.below) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = try(each.value.below, each.value.above)
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = try(each.value.missing, "notBreaching")
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
