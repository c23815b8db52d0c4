"""The passes: rewrites (Graph -> Graph) and steps (one type of the flow to the next)."""
