"""Chains and arrays of a million fences, on a small stack: linear, never recursing, freed.

    python benchmarks/containers.py [--json] [--check] [--count 1000000] [--only chain]

Each candidate builds, asks, merges, waits for, signals and releases `count` fences in a thread
with a stack of 256 KiB, while Python may nest 120 calls. Seconds in all (the better of two runs,
collector off), bytes a fence at the most, and the share of the memory that is still there at the
end. As what is freed is freed by references, a collection is only made before memory is counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable

from dmabuf.core.fence import Fence
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain, chain_for_each, find_seqno
from dmabuf.core.fence_unwrap import merge, unwrap
from dmabuf.core.timeline import Timeline

STACK_BYTES = 256 * 1024
CALLS_MAX = 120
SECONDS_MAX = 5.0
LEFT_MAX = 0.02
MILLION = 1_000_000


def a_chain(count: int) -> FenceChain:
    """A chain of `count` pending points; the fences' timeline is `chain.fence.timeline`."""
    gpu = Timeline("gpu")
    head = FenceChain.create(None, gpu.fence(), 1)
    for seqno in range(2, count + 1):
        head = FenceChain.create(head, gpu.fence(), seqno)
    return head


def wait_while(fence: Fence, signal_all: Callable[[], None]) -> None:
    """A thread waits for `fence` while this one signals what it contains."""
    waiter = threading.Thread(target=fence.wait)
    waiter.start()
    signal_all()
    waiter.join()
    assert fence.status == 1


def signal_each(fences: list[Fence]) -> None:
    """From old to new, as hardware does."""
    for fence in fences:
        fence.signal()


def chain(count: int) -> None:
    """Find the middle, ask, merge, wait for all, release."""
    head = a_chain(count)
    middle = find_seqno(head, count // 2)
    assert middle is not None
    assert middle.seqno == count // 2
    assert not head.is_signaled()
    assert merge(head) is head.fence  # one context: its latest fence
    fences = [node.fence for node in chain_for_each(head) if isinstance(node, FenceChain)]
    assert len(fences) == count
    fences.reverse()
    wait_while(head, lambda: signal_each(fences))
    assert find_seqno(head, 1) is None


def chain_backwards(count: int) -> None:
    """Signalled from new to old, so that the callback is armed again and again."""
    head = a_chain(count)
    fences = list(unwrap(head))
    wait_while(head, lambda: signal_each(fences))


def chain_dropped(count: int) -> None:
    """Never signalled: the last reference goes, and all is freed."""
    head = a_chain(count)
    del head


def chain_put(count: int) -> None:
    """Never signalled: the last counted reference is put."""
    head = a_chain(count)
    head.put()


def array(count: int) -> None:
    """Ask, enable, wait, signal, release, all members of one timeline."""
    gpu = Timeline("gpu")
    fences = [gpu.fence() for _ in range(count)]
    every = FenceArray.create(fences)
    assert not every.is_signaled()
    wait_while(every, lambda: signal_each(fences))


def array_merged(count: int) -> None:
    """Merge `count` fences of 1,000 timelines: the latest of each is left."""
    lines = [Timeline(f"line {n}") for n in range(1000)]
    fences = [lines[n % 1000].fence() for n in range(count)]
    every = merge(*fences)
    assert isinstance(every, FenceArray)
    assert len(every.fences) == 1000
    again = merge(FenceArray.create(fences), every)
    assert isinstance(again, FenceArray)
    assert again.fences == every.fences
    wait_while(again, lambda: signal_each(fences))


def merged_again(count: int) -> None:
    """Merge the same two timelines again and again: it stays two fences."""
    gpu, display = Timeline("gpu"), Timeline("display")
    merged: Fence = merge(gpu.fence(), display.fence())
    for _ in range(count // 20):
        merged = merge(merged, gpu.fence(), display.fence())
        assert isinstance(merged, FenceArray)
        assert len(merged.fences) == 2


def callbacks(count: int) -> None:
    """Add `count` callbacks to one fence, and run them."""
    fence = Timeline("gpu").fence()
    seen: list[Fence] = []
    for _ in range(count):
        fence.add_callback(seen.append)
    fence.signal()
    assert len(seen) == count


CANDIDATES = (
    chain,
    chain_backwards,
    chain_dropped,
    chain_put,
    array,
    array_merged,
    merged_again,
    callbacks,
)


def on_a_small_stack(work: Callable[[int], None], count: int) -> float:
    """Seconds that it takes; what it raises comes out."""
    errors: list[BaseException] = []
    seconds: list[float] = []

    def body() -> None:
        try:
            started = time.perf_counter()
            work(count)
            seconds.append(time.perf_counter() - started)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)

    threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(CALLS_MAX)
    gc.collect()
    gc.disable()
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    gc.enable()
    if errors:
        raise errors[0]
    return seconds[0]


def memory_of(work: Callable[[int], None], count: int) -> tuple[float, float]:
    """Bytes a fence at the most, and the share of them that is left when it has ended."""
    on_a_small_stack(work, 1000)  # what is made once in a process
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    on_a_small_stack(work, count)
    gc.collect()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (peak - before) / count, (after - before) / (peak - before)


def main() -> int:
    """Measure every candidate and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--check", action="store_true", help="exit 1 if a limit is passed")
    parser.add_argument("--count", type=int, default=MILLION, help="fences of each")
    parser.add_argument("--only", default="", help="the one candidate to measure")
    args = parser.parse_args()
    limit = SECONDS_MAX * max(args.count / MILLION, 0.2)
    rows: dict[str, dict[str, float]] = {}
    passed: list[str] = []
    for work in CANDIDATES:
        if args.only in ("", work.__name__):
            seconds = min(on_a_small_stack(work, args.count) for _ in range(2))
            each, left = memory_of(work, min(args.count, MILLION // 10))
            rows[work.__name__] = {"seconds": seconds, "bytes each": each, "left": left}
            if seconds > limit or left > LEFT_MAX:
                passed.append(work.__name__)
    if args.json:
        json.dump({"python": platform.python_version(), "rows": rows, "passed": passed}, sys.stdout)
        print()
    else:
        print(f"Python {platform.python_version()}, {args.count:,} fences")
        for name, row in rows.items():
            mark = "MISS" if name in passed else "ok  "
            cells = (
                f"{row['seconds']:8.2f} s {row['bytes each']:8.0f} bytes {row['left']:8.2%} left"
            )
            print(f"{mark} {name:<16}{cells}")
    return int(args.check and bool(passed))


if __name__ == "__main__":
    raise SystemExit(main())
