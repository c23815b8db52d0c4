"""One folder per kind of device."""
