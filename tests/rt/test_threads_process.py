"""The live runtime at the borders of a process: fork, and the interpreter's end.

Each test runs a program of its own, as forking a test runner with threads is asking for trouble.
"""

import subprocess
import sys
import textwrap
import time

import pytest

PRELUDE = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a process with threads
from dmabuf import Completion, IrqWork, Mutex, Threads, Timeline, ambient
"""
_PATIENCE_S = 20


def run(program: str) -> tuple[str, float]:
    """What a program prints, and the seconds from its last line to its end."""
    code = PRELUDE + textwrap.dedent(program)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            line = child.stdout.readline()
            last = time.monotonic()
            rest, errors = child.communicate(timeout=_PATIENCE_S)
        finally:
            child.kill()
        assert ("", 0) == (errors, child.returncode)
    return (line + rest).strip(), time.monotonic() - last


@pytest.mark.slow
def test_fork_leaves_the_child_a_runtime_that_works():
    """Parked threads and helpers stay behind; locks, waits and deferred work go on in the child."""
    program = """
        gate, work = Completion("gate"), IrqWork(lambda: None)
        for _ in range(3):
            ambient().spawn(gate.wait, name="sleeper")
        while not ambient().parked:
            os.sched_yield()
        work.queue(); work.sync()
        child = os.fork()
        if child == 0:
            ran, lock, fence = [], Mutex("A"), Timeline("gpu").fence()
            after = IrqWork(lambda: ran.append(1))
            assert ambient().parked == {}
            work.queue(); after.queue(); after.sync(); work.sync()
            ambient().spawn(fence.signal, name="signaller")
            with lock:
                assert fence.wait(5)
            assert not gate.wait(timeout=0.01)
            assert ran == [1]
            os._exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        work.queue(); work.sync()
        gate.complete_all()
        print(status, Mutex("B").trylock())
        """

    output, _ = run(program)

    assert "7 True" == output


@pytest.mark.slow
def test_fork_while_others_step_never_leaves_a_lock_behind():
    """However busy the other threads are, the child's runtime is free."""
    program = """
        from dmabuf import Shared
        cell, stop = Shared(0, "cell"), []
        def busy():
            while not stop:
                cell.add(1)
        threads = [ambient().spawn(busy, name="busy") for _ in range(2)]
        codes = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                cell.add(1)
                Mutex("A").trylock()
                os._exit(3)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stop.append(1)
        print(set(codes), ambient().join(threads))
        """

    output, _ = run(program)

    assert "{3} []" == output


@pytest.mark.slow
def test_fork_in_a_task_keeps_who_one_is():
    """The forking task goes on as itself in the child, with what it holds."""
    program = """
        lock = Mutex("A")
        def forks():
            with lock:
                child = os.fork()
                if child == 0:
                    me = ambient().current()
                    ok = me.name == "forks" and lock.owner is me and list(me.held) == [lock]
                    lock.unlock()
                    os._exit(0 if ok else 1)
                print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        ambient().join([ambient().spawn(forks, name="forks")])
        """

    output, _ = run(program)

    assert "0" == output


@pytest.mark.slow
def test_exit_with_blocked_tasks_and_helpers_is_quick_and_silent():
    """Neither parked threads nor idle helpers hold the interpreter back, on any runtime."""
    program = """
        keep = []
        for runtime in (ambient(), Threads(), Threads()):
            gate = Completion("never", rt=runtime)
            fence = Timeline("gpu", rt=runtime).fence()
            work = IrqWork(lambda: None, rt=runtime)
            keep.append(fence)
            for wait in (gate.wait, fence.wait, lambda: gate.wait(timeout=1000)):
                runtime.spawn(wait, name="sleeper")
            work.queue(); work.sync()
        print("end", flush=True)
        """

    output, seconds = run(program)

    assert "end" == output
    assert seconds < 10  # the waits would take 1,000


@pytest.mark.slow
def test_exit_waits_only_a_moment_for_helpers_that_are_stuck():
    """Half a second for all of them together, not for each."""
    program = """
        for _ in range(16):
            runtime, begun = Threads(), threading.Event()
            work = IrqWork(lambda: (begun.set(), threading.Event().wait()), rt=runtime)
            work.queue()
            begun.wait()
        print("end", flush=True)
        """

    output, seconds = run(program)

    assert "end" == output
    assert 0.4 < seconds < 6  # one after the other they would take eight
