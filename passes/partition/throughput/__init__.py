"""The stream with the least period: stages, devices, batches and replicas chosen together.

lattice.py        what may have run when a stage begins: ideals, or prefixes of the graph's order
kinds.py          devices that are as good as each other, counted together
model.py          the table in whole ticks: what a call of any stage takes on any device
probe.py          can a period be kept? Least units by dynamic programming over the lattice
amounts.py        what stages take of what is limited: latency, bytes of memory
labels.py         can a period be kept within limits? Least units and amounts, side by side
search.py         probes until nothing shorter can be kept
within.py         the same within limits, stretch by stretch of periods
streams.py        the fastest within limits, with the certificate; what to say where there is none
throughput.py     the pass
front.py          throughput against latency
definition.py     what stages take, for the checker: it shares nothing with the solver
verify.py         a checker of certificates
verify_labels.py  the same within limits
"""
