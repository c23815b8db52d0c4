"""The stream with the least period: stages, devices, batches and replicas chosen together.

lattice.py      what may have run when a stage begins: ideals, or prefixes of the graph's order
model.py        the table in whole ticks: what a call of any stage takes on any device
probe.py        can a period be kept? Least units by dynamic programming over the lattice
throughput.py   the pass: probes until nothing shorter can be kept, and the certificate
verify.py       a checker of certificates that shares nothing with the solver
"""
