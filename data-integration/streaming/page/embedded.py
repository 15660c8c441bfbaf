"""The board that the page embeds."""

DASHBOARD = "territory_orders"  # its file in infrastructure/preset
UUID = "2b6a5f0c-6f0e-4d0f-9a53-0b7c6c8b8a11"  # what it is called by who embeds it
AUDIENCE = "adventureworks-page"  # of guest tokens
