"""What a report says: Plan and Trace become one frozen Report."""
