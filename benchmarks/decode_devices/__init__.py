"""Claim: what one token of a language model costs on this CPU alone, and with each modelled device.

    python -m benchmarks.decode_devices [--model zoo:llama-100m] [--contexts 128,1024,4096,16384]
                                        [--devices pim.hbm,pim.aim] [--output out]

A decode step reads every weight and everything that is kept of earlier tokens once: at short
contexts it is weights that take the time, at long ones the cache of keys and values. CPUs are
measured at each context, devices and their links are modelled (~). Each device is looked at twice:

    weights    its memory holds weights; attention stays on the CPU, where the cache is
    cache      its memory holds the cache, too, and does the products with keys and values;
               softmax stays on the CPU (benchmarks/decode_devices/cache.py says how that is priced)

Every figure is the least that any schedule takes by these costs, proven. A plan whose session keeps
the cache in a modelled device's memory cannot be made yet: the figures of `cache` say what it would
be worth. Writes decode_devices.json and decode_devices.png.
"""
