"""Stages in processes of their own, for streams: where one lock, or pinned cores, ask for it.

processes.py    the stages of a schedule, each in as many processes as it has replicas
process.py      one such process, as this one sees it
shared.py       the tensors of a stage in memory that two processes share
child.py        what runs there
"""
