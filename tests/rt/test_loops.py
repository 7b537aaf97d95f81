"""Awaiting in asyncio and trio: no thread per wait, and nothing is lost."""

import asyncio
import gc
import os
import subprocess
import sys
import threading

import pytest

from dmabuf.core.fence_steps import state_of
from dmabuf.core.timeline import Timeline
from dmabuf.core.wait_set import WaitSet, _Next
from dmabuf.errors import ContractViolation, DesignError
from dmabuf.rt.ambient import use
from dmabuf.rt.threads import Threads
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, pending_of
from tests.support import Listener, ground

try:
    import trio
except ImportError:
    trio = None

needs_trio = pytest.mark.skipif(trio is None, reason="trio is not installed here")

PATIENCE_S = 8


class Asyncio:
    """Just enough of asyncio, in words that both libraries have."""

    name = "asyncio"

    def run(self, main):
        async def bounded():
            async with asyncio.timeout(PATIENCE_S):
                return await main()

        return asyncio.run(bounded(), debug=True)  # which refuses what is not thread-safe

    async def together(self, *coroutines):
        async with asyncio.TaskGroup() as group:
            for one in coroutines:
                group.create_task(one)

    async def breathe(self):
        for _ in range(5):
            await asyncio.sleep(0)

    async def cut_off(self, coroutine, act=lambda: None):
        """Start it, `act` once it waits, then cancel it; was it cancelled?"""
        task = asyncio.ensure_future(coroutine)
        await self.breathe()
        act()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()


class Trio:
    """The same of trio."""

    name = "trio"

    def run(self, main):
        async def bounded():
            with trio.fail_after(PATIENCE_S):
                return await main()

        return trio.run(bounded)

    async def together(self, *coroutines):
        async with trio.open_nursery() as nursery:
            for one in coroutines:
                nursery.start_soon(lambda one=one: one)

    async def breathe(self):
        for _ in range(5):
            await trio.lowlevel.checkpoint()

    async def cut_off(self, coroutine, act=lambda: None):
        """Start it, `act` once it waits, then cancel it; was it cancelled?"""
        scope = trio.CancelScope()

        async def scoped():
            with scope:
                await coroutine

        async with trio.open_nursery() as nursery:
            nursery.start_soon(scoped)
            await self.breathe()
            act()
            scope.cancel()
        return scope.cancelled_caught


LIBRARIES = [
    pytest.param(Asyncio, id="asyncio"),
    pytest.param(Trio, id="trio", marks=needs_trio),
]


@pytest.fixture(params=LIBRARIES)
def loop(request):
    """Either library."""
    return request.param()


@pytest.fixture(params=[False, True], ids=["quick", "observed"])
def gpu(request):
    """A timeline of a live runtime of its own, with and without an observer."""
    runtime = Threads()
    if request.param:
        runtime.attach(Listener())
    with use(runtime):
        yield Timeline("gpu")


def queued(fence):
    """How many callbacks the fence has."""
    return len(state_of(fence).callbacks or ())


def elsewhere(fn):
    """Run `fn` on another thread, to its end."""
    thread = threading.Thread(target=fn)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


async def awaiting(fence, seen):
    """A coroutine that awaits and says so."""
    seen.append(await fence)


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_loops_await_ends_with_the_signal(loop, gpu, where):
    """From the loop's own thread or another one; the result is None."""
    fence, seen, before = gpu.fence(), [], []

    async def signaller():
        await loop.breathe()
        before.append((list(seen), queued(fence)))
        fence.signal() if where == "here" else elsewhere(fence.signal)

    async def main():
        await loop.together(awaiting(fence, seen), signaller())

    loop.run(main)

    assert ([([], 1)], [None]) == (before, seen)


def test_loops_await_of_many_by_many(loop, gpu):
    """Every awaiter of every fence goes on."""
    fences, seen = [gpu.fence() for _ in range(20)], []

    async def signaller():
        await loop.breathe()
        elsewhere(lambda: [fence.signal() for fence in fences])

    async def main():
        await loop.together(*(awaiting(f, seen) for f in fences * 3), signaller())

    loop.run(main)

    assert [None] * 60 == seen


def test_loops_error_of_a_fence_is_no_result(loop, gpu):
    """As for wait(): the status has it."""
    fence, seen = gpu.fence(), []
    fence.set_error(-5)
    fence.signal()

    async def main():
        await awaiting(fence, seen)

    loop.run(main)

    assert ([None], -5) == (seen, fence.status)


def test_loops_signalled_fence_does_not_suspend_in_asyncio(gpu):
    """What is there already gives nobody else a turn."""
    fence, order = gpu.fence(), []
    fence.signal()

    async def other():
        order.append("other")

    async def main():
        running = asyncio.ensure_future(other())
        await awaiting(fence, order)
        await running

    asyncio.run(main())

    assert [None, "other"] == order


@needs_trio
def test_loops_signalled_fence_is_a_checkpoint_in_trio(gpu):
    """After two awaits another task has had its turn (trio shuffles who is first)."""
    fence, order = gpu.fence(), []
    fence.signal()

    async def other():
        order.append("other")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await awaiting(fence, order)
            await awaiting(fence, order)

    trio.run(main)

    assert "other" in order[:2]


def test_loops_cancelled_await_removes_its_callback(loop, gpu):
    """The fence does not know of it any more, and others still hear of the signal."""
    fence, seen = gpu.fence(), []

    async def main():
        cancelled = await loop.cut_off(awaiting(fence, seen))
        left = queued(fence)
        fence.signal()
        await awaiting(fence, seen)
        return cancelled, left

    assert (True, 0) == loop.run(main)
    assert [None] == seen


def test_loops_signal_and_cancellation_at_once(loop, gpu):
    """Told by another thread and cancelled before the loop looked: it ends, either way."""
    fence, seen = gpu.fence(), []

    async def main():
        cancelled = await loop.cut_off(awaiting(fence, seen), lambda: elsewhere(fence.signal))
        await loop.breathe()
        return cancelled

    cancelled = loop.run(main)

    assert (0 if cancelled else 1) == len(seen)
    assert fence.is_signaled()


def test_loops_signal_under_the_lock_of_a_cancelling_callback(loop, gpu):
    """A callback of the awaited fence may cancel its awaiter: nothing takes the lock again."""
    fence, seen = gpu.fence(), []

    async def main():
        if loop.name == "asyncio":
            task = asyncio.ensure_future(awaiting(fence, seen))
            fence.add_callback(lambda _f: task.cancel())
            await loop.breathe()
            fence.signal()
            await asyncio.wait([task])
            return
        with trio.CancelScope() as scope:
            fence.add_callback(lambda _f: scope.cancel())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(awaiting, fence, seen)
                await loop.breathe()
                fence.signal()

    loop.run(main)

    assert [] == seen or seen == [None]
    assert 0 == queued(fence)


def test_loops_closed_loop_is_not_told(loop, gpu, capfd):
    """The signal after the end of the loop does nothing and prints nothing."""
    fence, kept = gpu.fence(), []

    async def main():
        if loop.name == "asyncio":
            coroutine = awaiting(fence, [])
            coroutine.send(None)
            kept.append(coroutine)
        else:
            waiter = fence.__await__()
            next(waiter)
            kept.append(waiter)

    loop.run(main)
    elsewhere(fence.signal)
    fence.signal()

    assert ("", "") == capfd.readouterr()
    kept.pop().close()


def test_loops_forgotten_coroutine_removes_its_callback_later(gpu):
    """What the collector throws away defers the removal to the next safe point."""
    fence, one = gpu.fence(), gpu.fence()

    async def main():
        coroutine = awaiting(fence, [])
        coroutine.send(None)
        waits = queued(fence)
        del coroutine
        gc.collect()
        one.wait(0)
        return waits, queued(fence)

    assert (1, 0) == asyncio.run(main())


def test_loops_asyncio_wait_for_and_gather(gpu):
    """A fence is an awaitable as any other."""
    fence, never = gpu.fence(), gpu.fence()

    async def main():
        asyncio.get_running_loop().call_soon(fence.signal)
        together = await asyncio.gather(fence, fence)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(never, 0.01)
        return together, await asyncio.wait_for(fence, 5)

    assert ([None, None], None) == asyncio.run(main())
    assert 0 == queued(never)


@needs_trio
def test_loops_trio_move_on_after(gpu):
    """A timeout of trio ends the await, and the callback is gone."""
    never = gpu.fence()

    async def main():
        with trio.move_on_after(0.01) as scope:
            await never
        return scope.cancelled_caught

    assert trio.run(main)
    assert 0 == queued(never)


def test_loops_fence_with_a_hook_is_asked_once(loop, gpu):
    """Awaiting turns signalling on; a driver that says "done" ends it at once."""
    driver = Driver(enable_signaling=lambda _f: False)
    fence = pending_of(driver)

    async def main():
        await fence
        await fence

    loop.run(main)

    assert ["enable_signaling"] == driver.calls
    assert gpu.rt is fence.timeline.rt


def test_loops_await_in_atomic_context_is_reported(loop, gpu):
    """It may sleep."""
    fence = gpu.fence()

    async def main():
        with SpinLock("A"):
            await fence

    with pytest.raises(ContractViolation, match="DF206"):
        loop.run(main)


def test_loops_await_without_a_loop_is_refused(gpu):
    """A coroutine that is driven by hand has nobody to wake it."""
    coroutine = awaiting(gpu.fence(), [])

    with pytest.raises(RuntimeError, match="running loop"):
        coroutine.send(None)


@pytest.mark.parametrize("kind", ["greenlets", "baton"])
def test_loops_designs_cannot_await(kind):
    """Drivers block, as kernel code does; the message says what to do."""

    def main():
        with pytest.raises(DesignError, match=r"use wait\(\)"):
            awaiting(Timeline("a").fence(), []).send(None)

    ground(kind).run(main)


def test_loops_wait_set_is_iterated(loop, gpu):
    """`async for` gives each completion once, in order, and ends when the set is empty."""
    fences, seen = [gpu.fence() for _ in range(5)], []
    waiting = WaitSet(fences)

    async def consumer():
        async for fence in waiting:
            seen.append(fences.index(fence))  # noqa: PERF401 - one by one is the point

    async def signaller():
        for index in (4, 0, 2):
            await loop.breathe()
            elsewhere(fences[index].signal)
        await loop.breathe()
        fences[1].signal()
        fences[3].signal()

    async def main():
        await loop.together(consumer(), signaller())

    loop.run(main)

    assert [4, 0, 2, 1, 3] == seen


@pytest.mark.parametrize("how", ["close", "remove", "add"])
def test_wait_set_iteration_hears_of_every_change(loop, gpu, how):
    """Closing and emptying the set end it; a fence that is added signalled comes out."""
    fence, other, seen = gpu.fence(), gpu.fence(), []
    waiting = WaitSet([fence])
    other.signal()

    async def consumer():
        async for one in waiting:
            seen.append(one)
            waiting.close()

    async def changer():
        await loop.breathe()
        {"close": waiting.close, "remove": lambda: waiting.remove(fence)}.get(
            how, lambda: waiting.add(other)
        )()

    async def main():
        await loop.together(consumer(), changer())

    loop.run(main)

    assert ([other] if how == "add" else []) == seen
    waiting.close()


@pytest.mark.parametrize("news", ["ready", "closed", "empty", "none"])
def test_loops_wait_set_with_news_is_not_listened_to(gpu, news):
    """What happened between looking and listening is not slept through."""
    fence = gpu.fence()
    waiting = WaitSet([fence])
    {
        "ready": fence.signal,
        "closed": waiting.close,
        "empty": lambda: waiting.remove(fence),
        "none": lambda: None,
    }[news]()

    told = []

    listener = _Next(waiting)._add(told.append)
    waiting.close()

    assert (news == "none") is (listener is not None)
    assert ([waiting] if news == "none" else []) == told


def test_loops_cancelled_iteration_loses_no_completion(loop, gpu):
    """The listener is gone, and the next one gets the fence."""
    fence, seen = gpu.fence(), []
    waiting = WaitSet([fence])

    async def consumer():
        async for one in waiting:
            seen.append(one)  # noqa: PERF401 - what came before the end is kept

    async def main():
        cancelled = await loop.cut_off(consumer())
        listeners = list(waiting.listeners)
        fence.signal()
        await consumer()
        return cancelled, listeners

    assert (True, []) == loop.run(main)
    assert [fence] == seen


def test_loops_signal_in_a_forked_child_does_not_tell_the_parents_loop(gpu):
    """The child's copy of the fence is signalled, the loop's queue stays as it was."""
    fence = gpu.fence()

    async def main():
        task = asyncio.ensure_future(asyncio.wait_for(fence, 5))
        await Asyncio().breathe()
        ready, child = os.pipe()
        loop = asyncio.get_running_loop()
        told = []
        loop_method, loop.call_soon_threadsafe = loop.call_soon_threadsafe, told.append
        pid = os.fork()
        if not pid:
            asyncio._set_running_loop(None)
            fence.signal()
            os.write(child, b"told" if told else b"quiet")
            os._exit(0)
        loop.call_soon_threadsafe = loop_method
        os.waitpid(pid, 0)
        answer = os.read(ready, 9)
        os.close(ready)
        os.close(child)
        fence.signal()
        await task
        return answer

    assert b"quiet" == asyncio.run(main())


def test_loops_import_neither_library():
    """`import dmabuf`, a fence and a wait-set load no event loop."""
    code = (
        "import dmabuf, sys; f = dmabuf.Timeline('a').fence(); f.signal();"
        "dmabuf.WaitSet([f]).drain();"
        "print([m for m in ('asyncio', 'trio', 'sniffio') if m in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == found.stdout.strip()
