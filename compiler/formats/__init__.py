"""The only doors to bytes: cost tables, plans, weights and traces as files."""
