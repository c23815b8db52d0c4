"""Plans over several hosts: which steps run where, what a host is sent, and the engine between."""
