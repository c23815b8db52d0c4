"""Programs that differ from the model's own in what hosts hand to each other."""
