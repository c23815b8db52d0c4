"""An imported model becomes a Program in normal form."""
