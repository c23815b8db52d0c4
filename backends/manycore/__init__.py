"""Many-core devices, modelled: clusters of tiny cores around scratchpads, their time and energy."""
