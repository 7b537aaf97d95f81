"""Python signal handlers, which may start inside a step of their own thread: nothing hangs.

Live only, as virtual time has no such handlers. A signal raised from C is handled as soon as the
call returns, so a clock that raises one puts a handler into the middle of a fused path.
"""

import errno
import signal
import threading

import pytest

from dmabuf import Completion, IrqWork, Mutex, Timeline, WaitQueue
from dmabuf.core import fence, fence_fused
from dmabuf.core.compiled import bind
from dmabuf.core.compiled import use as use_compiled
from dmabuf.core.fence_steps import Callback, State
from dmabuf.errors import ContractViolation
from dmabuf.rt.ambient import use
from dmabuf.rt.api import Kind
from dmabuf.rt.clock import monotonic_ns
from dmabuf.rt.live_task import LiveTask
from dmabuf.rt.threads import Threads
from tests.support import op_of_test

USER = signal.SIGUSR1
pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def runtime():
    """A runtime of the test's own."""
    runtime = Threads()
    with use(runtime):
        yield runtime
    runtime.shut_down()


@pytest.fixture
def on_signal():
    """Installs a handler for the user signal, and takes it away."""
    before = signal.getsignal(USER)
    yield lambda fn: signal.signal(USER, lambda *_: fn())
    signal.signal(USER, before)


class Interrupted:
    """A clock, or an action, in which a signal arrives, once."""

    def __init__(self):
        self.raised = 0

    def __call__(self, *_):
        if not self.raised:
            self.raised += 1
            signal.raise_signal(USER)
        return monotonic_ns()


@pytest.fixture
def clock(monkeypatch):
    """A clock of the fused paths, compiled or not, in which a signal arrives."""
    classes = fence.Fence, Timeline, Callback, State, LiveTask
    clock = Interrupted()
    monkeypatch.setattr(fence, "monotonic_ns", clock)
    monkeypatch.setattr(fence_fused, "monotonic_ns", clock)
    bind(*classes, clock=clock)
    yield clock
    bind(*classes, clock=monotonic_ns)


def interrupted_step(runtime):
    """A step of the calling thread inside which a signal arrives."""
    op = op_of_test("interrupted", action=Interrupted(), touches=lambda _o, _t: ())
    return runtime.step(op, object())


@pytest.mark.parametrize("callbacks", [0, 1])
def test_handler_signals_the_fence_that_is_being_signalled(runtime, on_signal, clock, callbacks):
    """Callbacks run once, whoever comes first."""
    ran, one = [], Timeline("gpu").fence()
    for _ in range(callbacks):
        one.add_callback(ran.append)
    on_signal(one.signal)

    one.signal()

    assert (1, 1, callbacks) == (clock.raised, one.status, len(ran))


def test_handler_adds_a_callback_while_one_is_being_added(monkeypatch, runtime, on_signal):
    """Neither of the two is lost. In C nothing is called there in which a signal could arrive."""
    use_compiled(False)
    ran, one = [], Timeline("gpu").fence()
    new_state, clock = fence_fused.new_state, Interrupted()
    one.add_callback(lambda _f: ran.append("first"))
    on_signal(lambda: one.add_callback(lambda _f: ran.append("handler")))

    def slow(*arguments):
        clock()
        return new_state(*arguments)

    monkeypatch.setattr(fence_fused, "new_state", slow)
    one.add_callback(lambda _f: ran.append("main"))
    one.signal()

    assert ["first", "handler", "main"] == sorted(ran)


def test_handler_signals_inside_a_step(runtime, on_signal):
    """The signal is put off to the end of the step, and then made."""
    one, other = Timeline("gpu").fence(), Timeline("gpu").fence()
    ran = []
    other.add_callback(ran.append)
    on_signal(lambda: (one.signal(), other.signal()))

    interrupted_step(runtime)

    assert (1, 1, [other]) == (one.status, other.status, ran)


def test_handler_wakes_inside_a_step(runtime, on_signal):
    """Completions and queued work are made up for after the step."""
    done, queue, ran = Completion("done"), WaitQueue("queue"), Completion("ran")
    work = IrqWork(ran.complete, "work")
    on_signal(lambda: (done.complete(), queue.wake_up(), work.queue()))

    interrupted_step(runtime)

    assert done.wait(5)
    assert ran.wait(5)


def test_handler_that_wakes_does_not_disturb_who_is_handed_over_to(runtime, on_signal):
    """A thread that waits for the fence is woken, although nobody could look for it at once."""
    one, entered, woken = Timeline("gpu").fence(), Completion("in"), Completion("woken")

    def wait():
        entered.complete()
        one.wait()
        woken.complete()

    runtime.spawn(wait, name="waiter")
    assert entered.wait(5)
    on_signal(one.signal)

    interrupted_step(runtime)

    assert woken.wait(5)


@pytest.mark.parametrize(
    "does", [lambda lock: lock.lock(), lambda lock: lock.trylock()], ids=["lock", "trylock"]
)
def test_handler_that_needs_an_answer_inside_a_step_is_refused(runtime, on_signal, does):
    """It cannot have one before the step it interrupted has ended: an error instead of a hang."""
    lock, heard = Mutex("A"), []

    def handle():
        try:
            does(lock)
        except OSError as error:
            heard.append(error.errno)

    on_signal(handle)

    interrupted_step(runtime)

    assert [errno.EDEADLK] == heard


def test_handler_that_waits_inside_a_fused_path_is_refused(runtime, on_signal, clock):
    """The lock it would wait with is that of the path it interrupted."""
    heard, one, other = [], Timeline("gpu").fence(), Timeline("gpu").fence()

    def handle():
        try:
            other.wait()
        except OSError as error:
            heard.append((error.errno, str(error)))

    on_signal(handle)
    one.signal()

    assert errno.EDEADLK == heard[0][0]
    assert "a signal handler waits" in heard[0][1]
    assert not runtime.parked


def test_wrapped_handler_is_an_irq_handler(runtime):
    """It runs as a task of its own, in irq context: it may signal, and a wait is reported."""
    seen = []

    def handle(number):
        task = runtime.current()
        seen.append((number, task.kind, task.in_irq, task is main))
        with pytest.raises(ContractViolation, match="DF206"):
            Timeline("gpu").fence().wait()

    main = runtime.current()
    runtime.handler(handle)(7)

    assert [(7, Kind.IRQ, True, False)] == seen
    assert runtime.current() is main


def test_wrapped_handler_leaves_results_alone(runtime, on_signal):
    """What the interrupted task's last step came to is still there."""
    lock = Mutex("A")
    lock.lock()
    handler = runtime.handler(lambda: Completion("c").try_wait())

    runtime.current().value = "mine"
    handler()

    assert "mine" == runtime.current().value


@pytest.mark.slow
def test_storm_of_signals(runtime, on_signal):
    """Handlers that signal at any instant: every callback once, and no hang."""
    timeline = Timeline("gpu")
    shared, ran, stop = [], [], threading.Event()
    main = threading.main_thread().ident

    def handle():
        if shared:
            shared[-1].signal()
        timeline.fence().signal()

    def storm():
        while not stop.wait(0.0002):
            signal.pthread_kill(main, USER)

    on_signal(runtime.handler(handle))
    thread = threading.Thread(target=storm, daemon=True)
    thread.start()
    try:
        for number in range(3000):
            one = timeline.fence()
            shared[:] = [one]
            added = one.add_callback(lambda _f, n=number: ran.append(n))
            if number % 3 == 0:
                one.check_and_signal()
            else:
                one.signal()
            assert one.wait(5)
            assert (1 if added else 0) == ran.count(number)
    finally:
        stop.set()
        thread.join()
