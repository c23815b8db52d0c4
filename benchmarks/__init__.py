"""One script for each claim; run them as `python -m benchmarks.NAME`."""
