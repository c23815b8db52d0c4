"""Compare whole plans end to end, and ship the best."""
