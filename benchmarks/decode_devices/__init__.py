"""Claim: what one token of a language model costs on this CPU alone, and with each modelled device.

    python -m benchmarks.decode_devices [--model zoo:llama-100m] [--contexts 128,1024,4096,16384]
              [--devices pim.hbm,pim.aim,pim.silent,manycore.snitch16] [--output out]

A decode step reads every weight and everything that is kept of earlier tokens once: at short
contexts it is weights that take the time, at long ones the cache of keys and values. CPUs are
measured at each context, devices and their links are modelled (~). Each device is looked at twice:

    weights    its memory holds weights; the cache is an input, transferred to wherever it is read
    cache      its memory may hold the cache, too, from one step to the next, as plans have it: what
               is transferred is the new token's

Every figure is the least that any schedule takes by these costs, proven; where some gap is left
within the time of the search, it is told. The sequence has room for one token more than the
context. decode_devices.json and decode_devices.png are written after each context; what the former
has of this machine, this model and these devices already is kept, and not looked at again.
"""
