"""Small cases of every operator of ONNX, generated from its schemas, and what devices make of them.

forms      what an operator is asked: operands and attributes, without types and versions
schemas    forms x versions x types that the schemas allow -> cases
case       one operator as a model, a node and a stage
numbers    the data that a case is fed with
oracles    what ONNX's reference evaluator and ONNX Runtime answer
verdict    what a device answers, beside them
"""
