"""One file per pass: rewrites (Graph -> Graph) and steps (one type -> the next)."""
