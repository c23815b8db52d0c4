"""Running decoders: sequences that keep their states, and text or tokens out of them."""
