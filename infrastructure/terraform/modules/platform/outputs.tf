output "load_balancer" {
  description = "Where `domain` has to point (CNAME or alias)."
  value       = aws_lb.this.dns_name
}

output "registry" {
  description = "Where the image is pushed to."
  value       = aws_ecr_repository.elt.repository_url
}

output "outgoing_addresses" {
  description = "From where Snowflake and Airbyte see us: SNOWFLAKE_ALLOWED_IPS."
  value       = aws_eip.nat[*].public_ip
}

output "cluster" {
  description = "The ECS cluster of the services."
  value       = aws_ecs_cluster.this.name
}

output "name" {
  description = "Prefix of every name in this environment."
  value       = local.name
}

output "kms_key_arn" {
  description = "The key for all that rests."
  value       = aws_kms_key.this.arn
}
