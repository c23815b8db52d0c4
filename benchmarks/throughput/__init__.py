"""Claim: a plan made for streams lets as many inputs through as the best way its user might know.

    python -m benchmarks.throughput [--models minilm-32,resnet-50] [--rounds 5] [--final 15]
                                    [--output out]

Each model has an open batch. What takes turns, each for a second and kept full (closed loop):

    stagecut                    compile --objective throughput, Session.stream
    ONNX Runtime                one session on all CPUs, with one caller, and with one for each CPU;
                                one of one thread with a caller for each CPU, inputs one by one, and
                                in batches that are stacked already; a session for each CPU; a
                                process for each CPU, pinned
    OpenVINO                    its throughput hint with AsyncInferQueue; its latency hint
    torch eager, torch.compile  native parallelism: one module on all CPUs
    torch eager, processes      a process for each CPU

A turn counts what is finished between its first and its last output, so that nothing counts for
being filled. Prints inputs per second, medians over the turns with their range; the ratio of the
plan to its best rival (the one that leads the heats; median of the ratios within each round of the
final), to one session on all CPUs, and to native torch, which is the paper's own measure; and how
far the plan's prediction of the period was off, here and in the turns that the compile itself took
some minutes before. The PP-OCR models come with PyPI's rapidocr-onnxruntime
(`pip install --no-deps rapidocr-onnxruntime`) and are left out without it. Writes throughput.json
and throughput.png.
"""
