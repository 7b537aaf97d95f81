"""Many real threads on few fences, switched as often as Python can: each callback exactly once.

`python -m tests.core.test_fence_stress SECONDS` goes on for longer. Live only: virtual time has
its own way of trying every schedule.
"""

import gc
import os
import subprocess
import sys
import threading
import time
import warnings
import weakref

import pytest

from dmabuf import Timeline, wait_any
from dmabuf.rt.ambient import use
from dmabuf.rt.threads import Threads

ROUNDS_S = 0.4
ROUNDS_MIN = 2
PATIENCE_S = 20
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("way")]


@pytest.fixture(autouse=True)
def _switch_often():
    """Threads change places as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Crew:
    """Threads that do their parts of a round at the same time, round after round."""

    def __init__(self, runtime, parts):
        self.runtime = runtime
        self.parts = parts
        self.round = None
        self.errors = []
        self.gate = threading.Barrier(len(parts) + 1)
        for number, part in enumerate(parts):
            threading.Thread(target=self._work, args=(part,), daemon=True, name=str(number)).start()

    def _work(self, part):
        with use(self.runtime):
            while True:
                self.gate.wait(PATIENCE_S)
                if self.round is None:
                    return
                try:
                    part(self.round)
                except BaseException as error:  # noqa: BLE001 - raised in the test's thread
                    self.errors.append(error)
                self.gate.wait(PATIENCE_S)

    def play(self, given):
        """One round; returns when every part is done."""
        self.round = given
        self.gate.wait(PATIENCE_S)
        self.gate.wait(PATIENCE_S)
        if self.errors:
            raise self.errors[0]

    def stop(self):
        """Let the threads end."""
        self.round = None
        self.gate.wait(PATIENCE_S)


def rounds(parts, setup, check):
    """Play rounds for a while."""
    runtime = Threads()
    with use(runtime):
        crew = Crew(runtime, parts)
        until = time.monotonic() + ROUNDS_S
        played = 0
        while played < ROUNDS_MIN or time.monotonic() < until:
            given = setup()
            crew.play(given)
            check(given)
            played += 1
        crew.stop()
    runtime.shut_down()
    return played


class Round:
    """A fence and what happened to its callbacks."""

    def __init__(self, timeline):
        self.timeline = timeline
        self.fence = timeline.fence()
        self.ran = []
        self.added = []
        self.removed = []
        self.first = []

    def add(self, times):
        """Add callbacks that write down that they ran."""
        for number in range(times):
            name = (threading.current_thread().name, number)
            callback = self.fence.add_callback(lambda _f, name=name: self.ran.append(name))
            if callback is not None:
                self.added.append((name, callback))

    def remove(self):
        """Take back what others have added so far."""
        for name, callback in list(self.added):
            if self.fence.remove_callback(callback):
                self.removed.append(name)

    def signal(self):
        """Signal, and remember who was first."""
        if not self.fence.check_and_signal():
            self.first.append(threading.current_thread().name)

    def check(self):
        """Every callback that was added either ran once or was taken back once."""
        self.fence.signal()
        names = [name for name, _callback in self.added]
        assert len(names) == len(set(names))
        assert sorted(names) == sorted(self.ran + self.removed)
        assert len(self.first) <= 1
        assert self.fence.is_signaled()


def test_callbacks_against_signals_and_removals():
    """Adders, removers and signallers race: every callback once, one signaller first."""
    timelines = {}

    def setup():
        return Round(timelines.setdefault("gpu", Timeline("gpu")))

    played = rounds(
        [
            lambda r: r.add(4),
            lambda r: r.add(4),
            lambda r: r.remove(),
            lambda r: r.remove(),
            lambda r: r.signal(),
            lambda r: r.signal(),
        ],
        setup,
        lambda r: (r.check(), _one_first(r)),
    )

    assert played > 1


def _one_first(given):
    assert 1 == len(given.first)


class Batch:
    """Many fences for one round, so that threads meet often."""

    def __init__(self, timeline):
        self.rounds = [Round(timeline) for _ in range(200)]

    def add(self):
        """A callback for each, in order."""
        for one in self.rounds:
            one.add(1)

    def signal(self):
        """Signal each, in order."""
        for one in self.rounds:
            one.fence.signal()

    def check(self):
        """Nothing was lost or done twice anywhere."""
        for one in self.rounds:
            one.check()


def test_plain_signals_against_added_callbacks():
    """The fused ways of adding and signalling lose nothing between them."""
    timelines = {}
    played = rounds(
        [Batch.add, Batch.add, Batch.add, Batch.signal],
        lambda: Batch(timelines.setdefault("gpu", Timeline("gpu"))),
        Batch.check,
    )

    assert played > 1


def test_signal_against_the_last_reference():
    """The signaller's own reference keeps the fence alive to the end; then it is gone."""
    timelines = {}

    class Held:
        def __init__(self):
            fence = timelines.setdefault("gpu", Timeline("gpu")).fence()
            self.ran = []
            fence.add_callback(lambda _f: self.ran.append(1))
            self.fences = [fence, fence]
            self.gone = weakref.ref(fence.lock)

    def signal_and_drop(held):
        held.fences.pop().signal()

    def drop(held):
        del held.fences[:1]

    def check(held):
        gc.collect()
        assert [1] == held.ran
        assert held.gone() is None

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rounds([signal_and_drop, drop], Held, check) > 1


def test_reentrant_callbacks():
    """A callback signals the next fence, adds to it, takes back, drops, and even raises."""
    timelines = {}

    class Chain:
        def __init__(self):
            timeline = timelines.setdefault("gpu", Timeline("gpu"))
            self.fences = [timeline.fence() for _ in range(4)]
            self.ran = []
            self.raised = 0
            victims = [self.fences[-1].add_callback(lambda _f: self.ran.append("victim"))]
            for number, fence in enumerate(self.fences[:-1]):
                fence.add_callback(lambda _f, n=number: self.next(n, victims))

        def next(self, number, victims):
            self.ran.append(number)
            follower = self.fences[number + 1]
            follower.add_callback(lambda _f: self.ran.append(f"late {number}"))
            if victims and self.fences[-1].remove_callback(victims.pop()):
                self.ran.append("taken back")
            follower.signal()
            raise ValueError(number)

        def signal(self):
            try:
                self.fences[0].signal()
            except ValueError:
                self.raised += 1

    def check(chain):
        assert all(fence.is_signaled() for fence in chain.fences)
        assert [0, 1, 2] == [item for item in chain.ran if isinstance(item, int)]
        assert 1 == chain.ran.count("taken back") + chain.ran.count("victim")
        for number in range(3):
            assert chain.ran.count(f"late {number}") <= 1
        assert 1 == chain.raised

    assert rounds([Chain.signal, Chain.signal, Chain.signal], Chain, check) > 1


def test_waiters_against_signals():
    """Whoever waits for the one, or for any of several, is woken by the one signal."""
    timelines = {}

    class Waits:
        def __init__(self):
            timeline = timelines.setdefault("gpu", Timeline("gpu"))
            self.fences = [timeline.fence() for _ in range(3)]
            self.found = []

        def any(self):
            self.found.append(wait_any(self.fences, timeout=PATIENCE_S))

        def one(self):
            assert self.fences[1].wait(PATIENCE_S)

    played = rounds(
        [Waits.any, Waits.any, Waits.one, Waits.one, lambda w: w.fences[1].signal()],
        Waits,
        lambda w: _equal([1, 1], w.found),
    )

    assert played > 1


def _equal(expected, actual):
    assert expected == actual


FORKS = """
import os, sys, threading
from dmabuf import Timeline, Completion, IrqWork
sys.setswitchinterval(1e-6)
timeline, stop = Timeline("gpu"), threading.Event()
ran = Completion("ran")

def busy():
    while not stop.is_set():
        fence = timeline.fence()
        fence.add_callback(lambda _f: None)
        fence.signal()
        IrqWork(lambda: None).queue()

threads = [threading.Thread(target=busy, daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
for _ in range(30):
    child = os.fork()
    if not child:
        fence, done = timeline.fence(), Completion("done")
        fence.add_callback(lambda _f: IrqWork(done.complete).queue())
        fence.signal()
        os._exit(0 if done.wait(10) and fence.wait(10) else 7)
    _pid, status = os.waitpid(child, 0)
    assert status == 0, status
stop.set()
[thread.join(10) for thread in threads]
print("done")
"""

EXITS = """
import sys, threading
from dmabuf import Timeline, Completion, IrqWork
sys.setswitchinterval(1e-6)
timeline = Timeline("gpu")

def busy():
    while True:
        fence = timeline.fence()
        fence.add_callback(lambda _f: None)
        fence.signal()
        IrqWork(lambda: None).queue()

def stuck():
    timeline.fence().wait()

for fn in (busy, busy, stuck, stuck):
    threading.Thread(target=fn, daemon=True).start()
pending = timeline.fence()
done = Completion("done")
IrqWork(done.complete).queue()
assert done.wait(10)
print("done")
"""


@pytest.mark.parametrize("program", [FORKS, EXITS], ids=["fork with threads", "exit"])
def test_process_with_threads(program):
    """Forked children go on alone, and a process ends, whatever its threads are doing."""
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

        assert ("done\n", 0) == (ran.stdout, ran.returncode), ran.stderr


def main(seconds):
    """Every race for so long."""
    global ROUNDS_S
    ROUNDS_S = seconds
    sys.setswitchinterval(1e-6)
    for name, test in list(globals().items()):
        if name.startswith("test_") and name != "test_process_with_threads":
            test()
            sys.stdout.write(f"{name}: ok\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
