"""Running plans: the session, the executor, transfers between memories, and traces."""
