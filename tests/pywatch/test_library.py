"""No false alarms: the standard library's users of locks, and programs nobody here wrote."""

import asyncio
import logging
import logging.handlers
import multiprocessing.dummy
import queue
import threading
import warnings
from concurrent import futures

import pytest

from dmabuf.pywatch import watch
from tests.pywatch.helpers import told


def executors():
    for _ in range(3):
        with futures.ThreadPoolExecutor(4) as pool:
            assert 328350 == sum(pool.map(lambda number: number**2, range(100)))
            jobs = [pool.submit(pow, 2, number) for number in range(50)]
            jobs[0].add_done_callback(lambda job: job.result())
            futures.wait(jobs)
            assert 50 == len([*futures.as_completed(jobs)])


def logs():
    logger = logging.getLogger("pywatch")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    fifo = queue.Queue()
    sink = logging.NullHandler()
    memory = logging.handlers.MemoryHandler(5, target=sink)
    listener = logging.handlers.QueueListener(fifo, memory)
    handlers = [logging.handlers.QueueHandler(fifo), logging.handlers.MemoryHandler(5, target=sink)]
    for handler in handlers:
        logger.addHandler(handler)
    listener.start()
    threads = [
        threading.Thread(target=lambda: [logger.info("line %d", line) for line in range(50)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listener.stop()
    for handler in (*handlers, memory, sink):
        logger.removeHandler(handler)
        handler.close()


def queues():
    bounded, by_rank, done = queue.Queue(3), queue.PriorityQueue(), []

    def produces():
        for number in range(100):
            bounded.put(number)
            by_rank.put(-number)
        bounded.put(None)

    def consumes():
        while bounded.get() is not None:
            done.append(by_rank.get())
            bounded.task_done()
        bounded.task_done()

    threads = [threading.Thread(target=body) for body in (produces, consumes) * 2]
    for thread in threads:
        thread.start()
    bounded.join()
    for thread in threads:
        thread.join()
    assert 200 == len(done)


def pools():
    with multiprocessing.dummy.Pool(3) as pool:
        assert 10 == len(pool.map(abs, range(10)))
        assert 10 == len([*pool.imap_unordered(abs, range(10))])
        assert 1 == pool.apply_async(abs, (-1,)).get()


def loops():
    async def main():
        return await asyncio.gather(*[asyncio.to_thread(pow, 2, one) for one in range(20)])

    assert 20 == len(asyncio.run(main()))


def timers_and_barriers():
    barrier, rung = threading.Barrier(3), threading.Event()
    timer = threading.Timer(0, rung.set)
    timer.start()
    rung.wait()
    timer.join()
    threads = [threading.Thread(target=barrier.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("program", [executors, logs, queues, pools, loops, timers_and_barriers])
def test_users_of_the_standard_library_are_quiet(program):
    """Neither certain nor suspected."""
    with watch() as watcher:
        program()

    assert [] == told(watcher)


@pytest.mark.slow
def test_a_worker_thread_of_trio_is_quiet():
    """It checks what its locks are made of."""
    trio = pytest.importorskip("trio")

    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(trio.to_thread.run_sync, pow, 2, number)

    with watch() as watcher:
        trio.run(main)

    assert [] == told(watcher)


@pytest.mark.slow
def test_a_cluster_of_threads_is_quiet():
    """A scheduler and two workers of distributed, with loops, heartbeats and spill buffers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distributed = pytest.importorskip("distributed")
        with (
            watch() as watcher,
            distributed.Client(
                processes=False, n_workers=2, threads_per_worker=2, dashboard_address=None
            ) as client,
        ):
            found = sum(client.gather(client.map(lambda number: number + 1, range(100))))

    assert 5050 == found
    assert len(watcher._ledger.classes.all) > 20
    assert [] == told(watcher)
