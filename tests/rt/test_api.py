"""The waist: operations and tasks as data, and the laws that can be read off the source."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import dmabuf
from dmabuf.core.timeline import Timeline
from dmabuf.rt.api import OPS, READ, WRITE, Kind, Op
from dmabuf.rt.carriers import Baton
from dmabuf.rt.explored_task import ExploredTask
from dmabuf.rt.live_task import LiveTask
from dmabuf.rt.strategy import FirstEnabled
from dmabuf.rt.tasks import Tasks
from dmabuf.rt.threads import Threads
from dmabuf.sync.completion import Completion
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.waitqueue import WaitQueue
from tests.core.drivers import Driver, pending, pending_of
from tests.support import Fair, Listener, op_of_test

PACKAGE = Path(dmabuf.__file__).parent
OBJECTS = ("sync", "mm", "core", "contract", "drivers")
FORBIDDEN = {"threading", "_thread", "time", "random", "queue", "asyncio", "multiprocessing"}


# --- operations and tasks ----------------------------------------------------------------------


def live_task(name, kind=Kind.KTHREAD):
    """A task of real threads."""
    return LiveTask(Threads(), name, kind)


def explored_task(name, kind=Kind.KTHREAD):
    """A task of an explored run."""
    return ExploredTask(Tasks(FirstEnabled()), name, kind, key=(), number=0)


def test_op_name_is_unique():
    """The alphabet has each word once."""
    name = next(iter(OPS))

    with pytest.raises(ValueError, match=f"operation {name} exists already"):
        Op(name)


def test_op_without_more_is_always_possible_and_writes_its_object():
    """The plain operation: no guard, no result, the object is changed, and it waits on that."""
    op, obj, task = op_of_test("plain"), object(), LiveTask(Threads(), "t")

    assert (True, None) == (op.guard(obj, task), op.action(obj, task))
    assert ((obj, WRITE),) == op.footprint(obj, task)
    assert obj is op.awaited(obj)
    assert not op.is_guarded
    assert "test plain {}" == op.says


def test_op_footprint_is_its_access_or_what_it_says():
    """`access` is for the object alone, `touches` for all that is read or changed."""
    obj, other, task = object(), object(), LiveTask(Threads(), "t")
    reads = op_of_test("reads", access=READ)
    both = op_of_test("both", touches=lambda o, _t: ((o, READ), (other, WRITE)))
    waits = op_of_test("waits", guard=lambda _o, _t: False, waits_on=lambda _o: other)

    assert ((obj, READ),) == reads.footprint(obj, task)
    assert ((obj, READ), (other, WRITE)) == both.footprint(obj, task)
    assert other is waits.awaited(obj)
    assert waits.is_guarded


@pytest.mark.parametrize(
    ("fields", "atomic"),
    [({}, False), ({"atomic": 1}, True), ({"irqs_off": 1}, True), ({"in_irq": True}, True)],
)
@pytest.mark.parametrize("make", [live_task, explored_task])
def test_task_is_atomic_by_spinlock_interrupts_or_handler(make, fields, atomic):
    """Any of the three forbids sleeping."""
    task = make("t")
    for name, value in fields.items():
        setattr(task, name, value)

    assert atomic is task.is_atomic


@pytest.mark.parametrize(
    ("kind", "fields", "stops"),
    [
        (Kind.KTHREAD, {}, False),
        (Kind.WORKER, {}, False),
        (Kind.IRQ, {}, False),
        (Kind.USER, {}, True),
        (Kind.USER, {"in_kernel": True}, False),
        (Kind.HARDWARE, {}, True),
        (Kind.HARDWARE, {"reliable": True}, False),
    ],
)
def test_task_may_stop_for_ever_by_trust(kind, fields, stops):
    """Userspace outside the kernel and hardware that may hang; nobody else."""
    task = explored_task("t", kind)
    for name, value in fields.items():
        setattr(task, name, value)

    assert stops is task.may_stop


# --- laws --------------------------------------------------------------------------------------


def sources(*rooms: str) -> dict[str, ast.Module]:
    """The parsed modules of those rooms (or single modules) that exist, by path."""
    paths = [p for room in rooms for p in sorted((PACKAGE / room).rglob("*.py"))]
    paths += [p for room in rooms if (p := PACKAGE / f"{room}.py").exists()]
    assert paths
    return {str(p.relative_to(PACKAGE)): ast.parse(p.read_text()) for p in paths}


def imported(tree: ast.Module) -> set[str]:
    """The top names of all modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_law_1_objects_do_not_block_tell_the_time_or_take_chances_themselves():
    """Rooms of objects import none of the modules that could."""
    bad = {path: imported(tree) & FORBIDDEN for path, tree in sources(*OBJECTS).items()}

    assert {} == {path: names for path, names in bad.items() if names}


def test_law_1_is_seen_where_it_is_broken():
    """An import inside a function, or of a part, counts."""
    tree = ast.parse("def f():\n    from concurrent import futures\n    import random, os.path")

    assert {"concurrent", "random", "os"} == imported(tree)


def all_operations() -> list[Op]:
    """Every operation of rt, sync, core, mm and the machine."""
    for room in ("rt", "sync", "core"):
        package = importlib.import_module(f"dmabuf.{room}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"dmabuf.{room}.{module.name}")
    importlib.import_module("dmabuf.machine")
    return list(OPS.values())


PURE_METHODS = {"index"}
"""Of lists; none of our own objects has methods of that name."""


def impurities(function: object) -> list[str]:
    """What a function stores, deletes, or calls as a method (except the pure ones)."""
    tree = ast.parse(inspect.getsource(function).strip().removesuffix(","))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found += [] if node.func.attr in PURE_METHODS else [ast.unparse(node.func)]
    return found


def test_law_2_guards_are_pure():
    """No guard stores anything or calls a method; it asks fields and plain functions."""
    guards = {op.name: op.guard for op in all_operations() if op.is_guarded}

    assert len(guards) >= 10
    assert {} == {name: bad for name, guard in guards.items() if (bad := impurities(guard))}


def test_law_2_is_seen_where_it_is_broken():
    """Stores and method calls are impurities."""

    def bad(obj, task):
        obj.count += 1
        return obj.items.pop()

    assert ["obj.count", "obj.items.pop"] == impurities(bad)


@pytest.mark.parametrize(
    "where", ["callback", "enable hook", "signaled hook", "irq work", "condition", "release"]
)
def test_law_3_no_action_calls_foreign_code(live, where):
    """Callbacks and hooks run outside the indivisible part, so they may make steps themselves.

    Live only: in virtual time nothing is locked while an action runs.
    """

    def main():
        cell, mutex, seen = Shared(0, "cell"), live.runtime.mutex, []

        def foreign(*_):
            seen.append((mutex._is_owned(), cell.add(1)))
            return True

        call_from(where, foreign, live)
        return seen

    assert [(False, 1)] == live.run(main)[:1]


def call_from(where, foreign, ground):
    """Have `foreign` called where the package calls its users' code."""
    if where == "callback":
        fence = pending()
        fence.add_callback(foreign)
        fence.signal()
    elif where == "enable hook":
        pending_of(Driver(enable_signaling=foreign)).enable_signaling()
    elif where == "signaled hook":
        pending_of(Driver(signaled=foreign)).is_signaled()
    elif where == "release":
        pending_of(Driver(release=foreign)).put()
    elif where == "condition":
        WaitQueue("q").wait_event(foreign)
    else:
        IrqWork(foreign).queue()
        ground.settle()


def test_law_4_reads_that_decide_anything_are_steps_when_explored(explored):
    """Asking a fence, a lock, a word or a completion is a step on that object."""

    def main():
        fence, lock, word, done = pending(), Mutex("A"), Shared(0, "w"), Completion("c")
        listener = explored.runtime.instrument = Listener()
        fence.is_signaled()
        fence.status  # noqa: B018 - asking is the point
        lock.is_locked()
        word.read()
        done.is_done()
        explored.runtime.now()
        return [listener.steps(obj) for obj in (fence, lock, word, done, explored.runtime.clock)]

    expected = [
        ["fence.is_signaled", "fence.is_signaled"],
        ["mutex.is_locked"],
        ["shared.read"],
        ["completion.is_done"],
        ["clock.now"],
    ]
    assert expected == explored.run(main)


def test_law_7_nobody_is_called_when_nobody_listens():
    """Before an instrument is attached and after it is detached it hears nothing, and live
    the fused paths are open again.
    """
    runtime, listener = Threads(), Listener()
    counts, quick = [], []

    def work():
        with Mutex("A", rt=runtime) as lock:
            Timeline("gpu", rt=runtime).fence().signal()
            lock.is_locked()
        counts.append(len(listener.heard))
        quick.append(runtime.quick)

    work()
    runtime.attach(listener)
    work()
    runtime.detach(listener)
    work()

    assert 0 == counts[0] < counts[1] == counts[2]
    assert [True, False, True] == quick


def test_law_8_driver_code_blocks_as_kernel_code_does():
    """No room of objects has async functions, and generators only as with-blocks and loops."""
    bad = []
    for path, tree in sources(*OBJECTS, "machine").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
                bad.append(f"{path}:{node.lineno}")
            if isinstance(node, ast.FunctionDef) and _yields(node):
                marks = [ast.unparse(mark) for mark in node.decorator_list]
                is_loop = ast.unparse(node.returns).startswith("Iterator[")
                is_loop |= node.name == "__await__"  # of an object that coroutines wait for
                bad += [] if is_loop or "contextmanager" in marks else [f"{path}:{node.name}"]

    assert [] == bad


def _yields(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))


def test_law_9_no_switch_and_no_patching():
    """Neither the environment nor another module's names decide how objects behave.

    DMABUF_PURE may choose between two builds of the same code, which are tested to be equal.
    """
    bad = []
    modules = sources(*OBJECTS, "rt", "machine")
    del modules["core/compiled.py"]
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "setattr"):
                bad.append(f"{path}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr":
                bad.append(f"{path}:{node.lineno} {ast.unparse(node)}")

    assert [] == bad


def test_law_9_both_worlds_fit_in_one_process():
    """A live run inside an explored one's process, side by side, each with its own objects."""
    live, seen = Threads(), []

    def body(explored):
        mine = Mutex("explored")
        theirs = Mutex("live", rt=live)
        explored.spawn(lambda: seen.append(mine.trylock()), name="A")
        seen.append(theirs.trylock())

    Tasks(Fair(), carrier=Baton()).run(body)

    assert [True, True] == seen


def test_law_11_a_fence_has_no_holder(rt):
    """Nothing about a fence says who will signal it, so no wait for one has a definite waker."""

    def main():
        fence = pending()
        return getattr(fence, "is_lock", False), hasattr(fence, "owner")

    assert (False, False) == rt.run(main)
