"""Rival methods that solve the same table and prove nothing themselves."""
