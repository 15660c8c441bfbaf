"""Fraud by card: features, rules, the trained model, drift, and alerts."""
