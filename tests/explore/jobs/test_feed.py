"""Feeding a pool: what it was not handed yet can be taken back; answers and errors come through."""

from concurrent.futures import BrokenExecutor, Executor, Future

import pytest

from dmabuf.explore.jobs.feed import Fed


class Held(Executor):
    """Holds what it is given until it is told to do it."""

    def __init__(self):
        self.held = []
        self.is_broken = self.ended = False

    def submit(self, fn, /, *args, **kwargs):
        if self.is_broken:
            raise BrokenExecutor("a process died")
        self.held.append((Future(), fn))
        return self.held[-1][0]

    def do_one(self):
        future, call = self.held.pop(0)
        try:
            future.set_result(call())
        except ValueError as error:
            future.set_exception(error)

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.ended = True


def test_pool_is_given_one_more_than_it_has_workers():
    """The others wait; whenever one is done, the next is handed over, in order."""
    pool, done = Held(), []
    fed = Fed(pool, 2)

    for number in range(5):
        fed.submit(done.append, number)

    assert 3 == len(pool.held)
    while pool.held:
        pool.do_one()
    assert [0, 1, 2, 3, 4] == done


def test_what_waits_can_be_cancelled():
    """It is never done; what the pool has is."""
    pool, done = Held(), []
    fed = Fed(pool, 1)
    futures = [fed.submit(done.append, number) for number in range(4)]

    assert [False, False, True] == [future.cancel() for future in futures[:3]]

    while pool.held:
        pool.do_one()
    assert [0, 1, 3] == done


def test_error_of_a_call_is_its_future_s():
    """The next is handed over all the same."""
    pool = Held()
    fed = Fed(pool, 0)
    wrong, right = fed.submit(int, "x"), fed.submit(int, "7")

    pool.do_one()
    pool.do_one()

    assert 7 == right.result()
    with pytest.raises(ValueError, match="invalid literal"):
        wrong.result()


def test_broken_pool_breaks_all_that_waits():
    """Nobody waits for an answer that never comes."""
    pool = Held()
    fed = Fed(pool, 0)
    futures = [fed.submit(int, number) for number in range(3)]
    pool.is_broken = True

    pool.do_one()

    assert 0 == futures[0].result()
    assert [BrokenExecutor] * 2 == [type(future.exception()) for future in futures[1:]]


def test_shutdown_cancels_what_waits():
    """And ends the pool."""
    pool = Held()
    fed = Fed(pool, 0)
    futures = [fed.submit(int, number) for number in range(3)]

    fed.shutdown(wait=False, cancel_futures=True)

    assert [False, True, True] == [future.cancelled() for future in futures]
    assert pool.ended
