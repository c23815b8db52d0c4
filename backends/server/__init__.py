"""A server as a model: cores in clusters in NUMA nodes, and what calls of a model take on it.

figures.py     numbers with their sources, which are often known only within bounds
machine.py     the server itself, and the kernels that run on it
work.py        what a model's operators do, whatever runs them
placement.py   stages on teams of cores, weights in memories: native, replicas, pipelines
calls.py       both together: the segments of each call, for runtime/simulate
"""
