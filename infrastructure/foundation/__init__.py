"""What every package stands on: errors, settings, quoting, the lease, the warehouse file."""
