output "arns" {
  description = "Setting → the secret that holds it."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "to_fill" {
  description = "Names of the secrets that others give."
  value       = sort([for name in local.given : aws_secretsmanager_secret.this[name].name])
}

output "metadata_password" {
  description = "For the database alone; it is in no plan and no state."
  value       = ephemeral.aws_secretsmanager_secret_version.metadata_password.secret_string
  ephemeral   = true
}
