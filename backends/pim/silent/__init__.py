"""Silent-PIM: processing in memory that is driven by ordinary DRAM requests."""
