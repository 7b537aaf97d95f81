"""The compiled quick ways of a fence: nothing but time tells them from the Python code.

Random programs are run in three ways - compiled, Python's fused paths, the generic steps - and
compared after each operation. Live only: what is explored never takes a quick way.
"""

import gc
import inspect
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import tracemalloc
from contextlib import contextmanager

import pytest

from dmabuf import Completion, Mutex, SpinLock, Timeline
from dmabuf.core import compiled, fence, fence_fused
from dmabuf.core.fence_ops import NamedOps
from dmabuf.core.fence_steps import Callback, State, is_flagged
from dmabuf.errors import ContractViolation
from dmabuf.rt.ambient import use
from dmabuf.rt.clock import monotonic_ns
from dmabuf.rt.live_task import LiveTask
from dmabuf.rt.threads import Threads
from dmabuf.sync.context import local_irq_save, signalling
from tests.support import Listener

WAYS = ("compiled", "pure", "generic")
PROGRAMS = 400
LENGTH = 25

needs_compiled = pytest.mark.skipif(not compiled.is_compiled(), reason="nothing was compiled here")


@contextmanager
def taking(way):
    """A live runtime whose fences go that way."""
    runtime = Threads()
    if way == "generic":
        runtime.attach(Listener())
    before = compiled.use(way == "compiled")
    try:
        with use(runtime):
            yield runtime
    finally:
        compiled.use(before)
        runtime.shut_down()


# -- random programs -----------------------------------------------------------------------------


class Boom(Exception):
    """What some callbacks raise."""


class Program:
    """Random operations on a few fences; what each came to, and what was left behind."""

    def __init__(self, seed, runtime):
        self.random = random.Random(seed)
        self.runtime = runtime
        lines = [Timeline("plain"), Timeline("own lock", lock=SpinLock("ring"))]
        lines.append(Timeline("hooked", ops=Hooks()))
        self.fences = [self.random.choice([*lines, *lines[:1] * 4]).fence() for _ in range(4)]
        self.callbacks = []
        self.log = []
        self.depth = 0

    def run(self):
        """Everything that can be seen, step by step."""
        for _ in range(LENGTH):
            what, which = self.random.choice(OPERATIONS), self.random.choice(self.fences)
            scope = self.random.choice(SCOPES)
            try:
                with scope():
                    came_to = what(self, which)
            except (Boom, OSError) as error:
                came_to = type(error).__name__
            self.log.append((what.__name__, self.fences.index(which), came_to, self.standing()))
        return self.log

    def standing(self):
        """What fences and the task look like from outside."""
        task = self.runtime.current()
        fences = [(is_flagged(f), f.error, queued(f), holder(f)) for f in self.fences]
        counts = task.atomic, task.irqs_off, task.signalling, len(task.held)
        free = not self.runtime.mutex._is_owned()
        return fences, counts, [c.queued for c in self.callbacks], free

    def note(self, number, signaled):
        """A callback: writes down what it sees, and perhaps does something itself."""
        task = self.runtime.current()
        seen = signaled.is_signaled(), task.atomic, task.irqs_off, bool(task.signalling)
        self.log.append(("callback", number, seen, len(task.held)))
        if self.depth < 3:
            self.depth += 1
            try:
                self.inside(number, signaled)
            finally:
                self.depth -= 1

    def inside(self, number, signaled):
        """What a callback does, by its number."""
        others = [f for f in self.fences if f is not signaled and holder(f) is None]
        if number % 5 == 1:
            signaled.get()  # needs a whole state
        elif number % 5 == 2 and others:
            others[number % len(others)].signal()
        elif number % 5 == 3 and others:
            self.add(others[number % len(others)])
        elif number % 7 == 4:
            raise Boom

    def add(self, which):
        """Add a callback."""
        number = self.random.randrange(100)
        callback = which.add_callback(lambda f: self.note(number, f))
        if callback is not None:
            self.callbacks.append(callback)
        return callback is not None

    def signal(self, which):
        """The plain signal."""
        return which.signal()

    def signal_at(self, which):
        """A signal at a given time."""
        which.signal(timestamp=5)
        return which.timestamp == 5

    def check(self, which):
        """Signal, and was it signalled?"""
        return which.check_and_signal()

    def remove(self, which):
        """Take a callback back, of this fence or of another one."""
        return bool(self.callbacks) and which.remove_callback(self.random.choice(self.callbacks))

    def fail(self, which):
        """An error before the signal."""
        if not is_flagged(which):
            which.set_error(-5)

    def look(self, which):
        """Ask for the state."""
        return which.status, self.runtime.current().is_atomic or which.wait(timeout=0)

    def reference(self, which):
        """Take a counted reference."""
        return which.get() is which


class Hooks(NamedOps):
    """A driver with an opinion."""

    def enable_signaling(self, fence):
        """Called once."""
        return True


@contextmanager
def nothing():
    """No scope."""
    yield


OPERATIONS = [Program.add] * 5 + [Program.signal] * 4 + [Program.signal_at, Program.check]
OPERATIONS += [Program.remove] * 2 + [Program.fail, Program.reference]
LOOKS = [Program.look]
OPERATIONS += LOOKS
SCOPES = [nothing] * 4 + [signalling, local_irq_save]


def queued(one):
    """How many callbacks are queued."""
    state = one._state
    if isinstance(state, Callback):
        return int(state.owner is None)
    return len(state.callbacks or ()) if isinstance(state, State) else 0


def holder(one):
    """Who holds a fence's lock."""
    state = one.timeline.lock or one._state
    owner = getattr(state, "owner", None)
    return None if owner is None else owner.name


def played(seed, way):
    """The log of a program."""
    with taking(way) as runtime:
        program = Program(seed, runtime)
        log = program.run()
        for one in program.fences:  # nothing is left for finalisers to complain about
            try:
                one.signal()
            except Boom:
                log.append("raised at the end")
        return log, runtime.reports


@pytest.mark.slow
def test_random_programs_come_to_the_same_in_every_way():
    """Results, errors, callbacks, locks and contexts are equal after each operation."""
    for seed in range(PROGRAMS):
        logs = [played(seed, way) for way in WAYS]

        assert logs[2] == logs[1], f"fused paths differ from the steps: seed {seed}"
        assert logs[1] == logs[0], f"compiled differs from Python: seed {seed}"


def test_random_programs_do_enough():
    """They run callbacks inside callbacks, raise, and meet whole states."""
    logs = [entry for seed in range(60) for entry in played(seed, "compiled")[0]]
    names = {entry[0] for entry in logs}

    assert {"callback", "add", "signal", "remove"} <= names
    assert any(entry[2] == "Boom" for entry in logs if len(entry) > 2)
    assert any(entry[0] == "callback" and entry[3] > 1 for entry in logs)


# -- nothing leaks -------------------------------------------------------------------------------


def once(timeline, fn):
    """Every way through the compiled code."""
    for callbacks in (0, 1, 2, 3):
        one = timeline.fence()
        for _ in range(callbacks):
            one.add_callback(fn)
        one.signal()
        one.signal()
        one.add_callback(fn)


def raising(timeline):
    """The same where callbacks raise."""
    for callbacks in (1, 2):
        one = timeline.fence()
        for _ in range(callbacks):
            one.add_callback(boom)
        with pytest.raises(Boom):
            one.signal()


def boom(_fence):
    """A callback that fails."""
    raise Boom


def whole_state(signaled):
    """A callback that has a state made."""
    signaled.get()


@needs_compiled
@pytest.mark.parametrize("fn", [lambda _f: None, whole_state, id])
def test_compiled_ways_keep_no_references(fn):
    """Counts of references are what they were, and memory does not grow."""
    with taking("compiled") as runtime:
        timeline = Timeline("gpu")
        kept = (fn, timeline, runtime, runtime.mutex, runtime.current(), runtime.parked, Callback)
        once(timeline, fn)
        raising(timeline)
        gc.collect()
        before = [sys.getrefcount(one) for one in kept]
        tracemalloc.start()
        start = tracemalloc.get_traced_memory()[0]

        for _ in range(1000):
            once(timeline, fn)
            raising(timeline)

        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - start
        tracemalloc.stop()
        more = [sys.getrefcount(one) - count for one, count in zip(kept, before, strict=True)]
        assert max(more) < 30, more  # a few are those of the last exception
        assert grown < 20_000


@pytest.mark.usefixtures("way")
def test_callback_and_fence_are_gone_with_their_last_use():
    """A signalled fence keeps no callback, and a callback no fence."""
    with use(Threads()):
        one, token = Timeline("gpu").fence(), object()
        callback = one.add_callback(lambda _f, token=token: None)
        one.signal()
        before = sys.getrefcount(callback), sys.getrefcount(one)

        del callback
        held = [o for o in gc.get_referrers(one) if isinstance(o, (Callback, State))]

        assert (2, 2) == before
        assert [] == held


# -- errors --------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def ctrl_c():
    """A shell's background job ignores Ctrl-C; here it is what Python makes of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def clock(monkeypatch, way):
    """Puts another clock into the quick ways, compiled or not."""
    classes = fence.Fence, Timeline, Callback, State, LiveTask
    del way

    def put(other):
        monkeypatch.setattr(fence, "monotonic_ns", other)
        monkeypatch.setattr(fence_fused, "monotonic_ns", other)
        compiled.bind(*classes, clock=other)

    yield put
    compiled.bind(*classes, clock=monotonic_ns)


@pytest.mark.parametrize("callbacks", [0, 1, 2])
def test_clock_that_fails_leaves_the_mutex_free(clock, callbacks):
    """An error inside the section comes out of the signal, and the mutex is free after it."""
    with use(Threads()) as runtime:
        one = Timeline("gpu").fence()
        for _ in range(callbacks):
            one.add_callback(lambda _f: None)
        clock(lambda: 1 // 0)

        with pytest.raises(ZeroDivisionError):
            one.signal()

        assert not runtime.mutex._is_owned()
        clock(monotonic_ns)
        one.signal()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("callbacks", [0, 1, 2])
def test_wake_up_that_fails_leaves_the_mutex_free(callbacks):
    """An error of the runtime's comes out of the signal, and the mutex is free after it."""

    class Failing(Threads):
        def wake(self, *objects):
            raise Boom

    with use(Failing()) as runtime:
        one = Timeline("gpu").fence()
        for _ in range(callbacks):
            one.add_callback(lambda _f: None)
        runtime.parked[id(one)] = []

        with pytest.raises(Boom):
            one.signal()

        assert not runtime.mutex._is_owned()
        runtime.parked.clear()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("callbacks", [1, 2])
def test_error_of_a_callback_comes_out_as_it_is(callbacks):
    """The very exception, with the line that raised it in its traceback, and no other context."""
    with use(Threads()):
        one, error = Timeline("gpu").fence(), Boom("mine")

        def fails(_fence):
            raise error

        one.add_callback(fails)
        for _ in range(callbacks - 1):
            one.add_callback(lambda _f: None)

        with pytest.raises(Boom) as caught:
            one.signal()

        assert caught.value is error
        assert "fails" == caught.traceback[-1].name
        assert error.__context__ is None


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("callbacks", [0, 1, 2])
def test_interrupt_while_another_thread_has_the_mutex(callbacks):
    """Ctrl-C ends the wait for the mutex: nothing was done, and nothing is left changed."""
    with use(Threads()) as runtime:
        one, task, ran = Timeline("gpu").fence(), runtime.current(), []
        for _ in range(callbacks):
            one.add_callback(ran.append)
        taken, entering, done = threading.Event(), threading.Event(), threading.Event()
        main = threading.main_thread().ident

        def hold():
            with runtime.mutex:
                taken.set()
                entering.wait(5)
                done.wait(0.05)  # nothing says that the main thread is blocked in there
                signal.pthread_kill(main, signal.SIGINT)
                done.wait(5)

        holder = threading.Thread(target=hold, daemon=True)
        holder.start()
        assert taken.wait(5)
        with pytest.raises(KeyboardInterrupt):
            entering.set()
            one.signal()
        done.set()
        holder.join(5)

        assert (0, 0, 0, {}) == (task.atomic, task.irqs_off, task.signalling, task.held)
        assert not one.is_signaled()
        one.signal()
        assert callbacks == len(ran)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("callbacks", [1, 2])
def test_interrupt_while_the_lock_is_freed(callbacks):
    """Ctrl-C while the end of a signal waits for the mutex: the lock is free, and it is raised."""
    with use(Threads()) as runtime:
        one, task = Timeline("gpu").fence(), runtime.current()
        wanted, taken, done = threading.Event(), threading.Event(), threading.Event()
        main = threading.main_thread().ident

        def hold():
            wanted.wait(5)
            with runtime.mutex:
                taken.set()
                done.wait(0.05)  # nothing says that the main thread is blocked in there
                signal.pthread_kill(main, signal.SIGINT)
                done.wait(0.05)

        def callback(_fence):
            wanted.set()
            taken.wait(5)

        holder = threading.Thread(target=hold, daemon=True)
        holder.start()
        for _ in range(callbacks):
            one.add_callback(callback)
        with pytest.raises(KeyboardInterrupt):
            one.signal()
        holder.join(5)

        assert (0, 0, 0, {}) == (task.atomic, task.irqs_off, task.signalling, task.held)
        assert one.is_signaled()
        assert one.check_and_signal()


@pytest.mark.parametrize("kind", [SpinLock, Mutex])
def test_interrupt_while_any_lock_is_freed(kind):
    """A step that cannot wait is made although Ctrl-C comes while it waits for the mutex."""
    with use(Threads()) as runtime:
        lock = kind("A")
        taken, done = threading.Event(), threading.Event()
        main = threading.main_thread().ident

        def hold():
            with runtime.mutex:
                taken.set()
                done.wait(0.05)
                signal.pthread_kill(main, signal.SIGINT)
                done.wait(0.05)

        holder = threading.Thread(target=hold, daemon=True)
        lock.lock()
        holder.start()
        assert taken.wait(5)
        with pytest.raises(KeyboardInterrupt):
            lock.unlock()
        holder.join(5)

        assert not lock.is_locked()


@pytest.mark.usefixtures("way")
def test_chain_without_end_is_a_recursion_error():
    """A callback that signals the next fence, ten thousand deep, ends in an error of Python's."""
    with use(Threads()) as runtime:
        timeline = Timeline("gpu")
        fences = [timeline.fence() for _ in range(10_000)]
        for before, after in itertools.pairwise(fences):
            before.add_callback(lambda _f, after=after: after.signal())

        with pytest.raises(RecursionError):
            fences[0].signal()

        task = runtime.current()
        assert (0, 0, 0, {}) == (task.atomic, task.irqs_off, task.signalling, task.held)
        for one in reversed(fences):
            one.signal()


# -- which way is taken --------------------------------------------------------------------------


@needs_compiled
def test_compiled_way_is_taken():
    """Compiled, the Python functions are not even called."""
    with taking("compiled") as runtime:
        one, called = Timeline("gpu").fence(), []
        runtime.current()
        sys.setprofile(lambda frame, event, _arg: called.append((event, frame.f_code.co_name)))
        one.add_callback(id)
        one.signal()
        sys.setprofile(None)

    assert [] == [name for event, name in called if event == "call"]


@pytest.mark.usefixtures("way")
def test_runtime_that_knows_its_tasks_in_its_own_way_is_asked():
    """Tasks are looked up in place only where that is what `current` does."""

    class Own(Threads):
        def current(self):
            return self.mine

    runtime = Own()
    runtime.mine = LiveTask(runtime, "mine")
    with use(runtime):
        one, seen = Timeline("gpu").fence(), []
        one.add_callback(lambda _f: seen.append(runtime.mine.irqs_off))
        one.signal()

    assert [1] == seen


@needs_compiled
def test_compiled_methods_show_the_python_ones():
    """Name, docstring, signature and source are those of the function."""
    method = fence.Fence.signal

    assert "signal" == method.__name__
    assert "(self, *, timestamp: 'int | None' = None) -> 'None'" == str(inspect.signature(method))
    assert "Signal the fence" in inspect.getdoc(method)
    assert "def signal" in inspect.getsource(method)
    assert "compiled" in repr(method)


@pytest.mark.usefixtures("way")
def test_method_takes_what_the_function_takes():
    """Keywords, unbound calls and wrong arguments are as in Python."""
    with use(Threads()):
        one, ran = Timeline("gpu").fence(), []
        fence.Fence.add_callback(one, fn=ran.append)
        bound = one.signal
        with pytest.raises(TypeError):
            one.signal(1)
        with pytest.raises(TypeError):
            one.add_callback()
        with pytest.raises(OSError, match="a callback is a function"):
            one.add_callback(None)
        with pytest.raises(AttributeError):
            fence.Fence.signal(object())
        bound()

        assert [one] == ran


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("callbacks", [0, 1, 2])
def test_lock_that_the_task_holds_is_seen(callbacks):
    """Adding and signalling take the fence's lock: its holder is told, and nothing happens."""
    with use(Threads()):
        one, ran = Timeline("gpu").fence(), []
        for _ in range(callbacks):
            one.add_callback(ran.append)

        with one.lock:
            with pytest.raises(ContractViolation, match="DF004"):
                one.add_callback(ran.append)
            with pytest.raises(ContractViolation, match="DF004"):
                one.signal()
            assert ([], False) == (ran, one.is_signaled())

        one.signal()
        assert [one] * callbacks == ran


def test_waiter_is_woken_in_every_way(way):
    """A thread that waits for a fence, or for the end of its callback, goes on."""
    del way
    with use(Threads()) as runtime:
        for callbacks in (0, 1, 2):
            one, woken = Timeline("gpu").fence(), Completion("woken")
            for _ in range(callbacks):
                one.add_callback(lambda _f: None)
            runtime.spawn(lambda one=one, woken=woken: one.wait() and woken.complete(), name="w")
            until_parked(runtime)
            one.signal()
            assert woken.wait(5)
        runtime.shut_down()


def until_parked(runtime):
    """Until somebody waits."""
    glance = threading.Event()
    while not runtime.parked:
        glance.wait(0.001)


def test_interrupts_are_off_in_a_callback_in_every_way(way):
    """As the kernel's callbacks run, also inside a section that has them off already."""
    del way
    with use(Threads()) as runtime:
        seen = []
        for scope in (nothing, local_irq_save):
            for callbacks in (1, 2):
                one = Timeline("gpu").fence()
                for _ in range(callbacks):
                    one.add_callback(lambda _f: seen.append(runtime.current().irqs_off))
                with scope():
                    one.signal()

        assert [1, 1, 1, 2, 2, 2] == seen


AGAIN = """
import sys
for _ in range(3):
    for name in [n for n in sys.modules if n.startswith("dmabuf") and "_fused" not in n]:
        del sys.modules[name]
    import dmabuf
    fences = [dmabuf.Timeline("gpu").fence() for _ in range(9)]
    ran = []
    for fence in fences:
        fence.add_callback(ran.append)
        old = fence
    [fence.signal() for fence in fences]
    assert ran == fences
print("done")
"""


@pytest.mark.slow
def test_package_that_is_imported_again():
    """Classes of the package as it was before are served by the Python code."""
    ran = subprocess.run(
        [sys.executable, "-c", AGAIN],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert ("done\n", 0) == (ran.stdout, ran.returncode), ran.stderr
