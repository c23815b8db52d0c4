"""Facts about this machine, measurements that are kept, and processes that may crash."""
