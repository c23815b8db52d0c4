"""Find the schedule that costs least, and prove how good it is."""
