"""Reports and differences in a terminal."""
