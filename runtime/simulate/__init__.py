"""Streams on a machine that is not there: what its model says, second by second.

simulate.py   events: the runtime's own scheduler under a virtual clock
sharing.py    between two events: how fast each segment flows, by what it shares
"""
