"""What processes had of CPUs."""

import os
import time

from benchmarks.hosts_cpu import CpuUse, cpu_use


def test_work_is_counted_and_sleep_is_not() -> None:
    before, began_s = cpu_use([os.getpid()]), time.thread_time()
    while time.thread_time() < began_s + 0.05:
        pass
    worked = cpu_use([os.getpid()]).since(before)
    assert worked.ran_s >= 0.04
    assert worked.waited_s >= 0.0


def test_of_a_process_that_has_ended_nothing_is_known() -> None:
    assert cpu_use([2**22 + 1]) == CpuUse(0.0, 0.0)
