"""What every package builds on: errors, settings, quoting, the lease, the warehouse file."""
