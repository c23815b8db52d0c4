"""Streams: many inputs in flight through the stages of a plan.

Session.stream, submit ...
  results.py        inputs of an iterator -> their outputs, in order or as they come
  streams.py        a pipeline for each kind of variant; how busy they are
    pipeline.py     threads: one for each replica of a stage, driven by runtime/scheduler.py
      group.py      inputs that go through the stages together
      item.py       one input and its future
    statistics.py   what the latest calls say
"""
