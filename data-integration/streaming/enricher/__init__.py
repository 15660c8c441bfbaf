"""The enricher: events with what is known of their customers and products, scored payments, minutes and visits, each exactly once."""
