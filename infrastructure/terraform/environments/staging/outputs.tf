output "platform" {
  description = "What the next steps need: see docs/production.md."
  value       = module.platform
}

output "secrets_to_fill" {
  description = "Secrets that others give: fill them before the first start."
  value       = module.secrets.to_fill
}
