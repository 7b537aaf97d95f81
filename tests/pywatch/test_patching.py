"""What is replaced while somebody watches is put back, whatever happened."""

import multiprocessing.dummy
import queue
import sys
import threading
import types
from concurrent.futures import Future
from threading import Lock

import pytest

from dmabuf.pywatch import watch
from tests.pywatch.helpers import in_turn, takes, told

PLACES = [
    (threading, "Lock"),
    (threading, "RLock"),
    (threading.Condition, "__init__"),
    (threading.Condition, "wait"),
    (threading.Condition, "notify"),
    (threading.Event, "__init__"),
    (threading.Event, "wait"),
    (threading.Event, "set"),
    (threading.Semaphore, "__init__"),
    (threading.Semaphore, "acquire"),
    (threading.Semaphore, "__enter__"),
    (threading.Semaphore, "release"),
    (threading.BoundedSemaphore, "release"),
    (threading.Barrier, "__init__"),
    (threading.Barrier, "wait"),
    (threading.Thread, "__init__"),
    (threading.Thread, "start"),
    (threading.Thread, "join"),
    (threading.Thread, "_bootstrap_inner"),
    (queue.Queue, "get"),
    (queue.Queue, "put"),
    (queue.Queue, "join"),
    (queue, "SimpleQueue"),
    (multiprocessing.dummy, "Lock"),
    (multiprocessing.dummy, "RLock"),
    (Future, "result"),
    (Future, "exception"),
]


def found():
    """What stands at these places now, and in this module."""
    return [vars(owner)[name] for owner, name in PLACES] + [Lock]


def test_everything_is_replaced_and_put_back():
    """Before and after are the same objects; meanwhile none is."""
    before = found()

    with watch():
        meanwhile = found()

    assert before == found()
    assert all(one is not other for one, other in zip(before, meanwhile, strict=True))


def test_everything_is_put_back_after_an_exception():
    """And the exception goes on."""
    before = found()

    with pytest.raises(ZeroDivisionError), watch():
        raise ZeroDivisionError

    assert before == found()


def test_nested_watchers_share_what_they_see():
    """An order that spans two is found; the inner one tells only what was found inside it."""
    before = found()
    with watch() as outer:
        a = threading.Lock()
        with watch() as inner:
            b = threading.Lock()
            in_turn(takes(a, b), takes(b, a))
        c = threading.Lock()
        in_turn(takes(a, c), takes(c, a))

    assert before == found()
    assert 1 == len(inner.findings)
    assert 2 == len(outer.findings)


def test_watchers_of_several_threads_may_overlap():
    """The first to come need not be the last to go."""
    before = found()
    first, second = watch(), watch()

    def begins_first():
        first.__enter__()

    def goes_first():
        second.__enter__()
        first.__exit__(None, None, None)

    in_turn(begins_first, goes_first)
    lock = threading.Lock()
    assert before != found()
    in_turn(lambda: second.__exit__(None, None, None))

    assert before == found()
    with lock:
        assert lock.locked()


def test_locks_work_on_after_the_end():
    """They are seen no more, and what they are is not forgotten."""
    with watch() as watcher:
        a, b = threading.Lock(), threading.RLock()
        event, condition = threading.Event(), threading.Condition()
        semaphore = threading.Semaphore()
        fifo, simple = queue.Queue(), queue.SimpleQueue()

    in_turn(takes(a, b), takes(b, a), takes(semaphore, a), takes(a, semaphore))
    event.set()
    fifo.put(1)
    simple.put(2)
    with condition:
        condition.notify_all()
        condition.wait(timeout=0.001)

    assert event.wait()
    assert [1, 2] == [fifo.get(), simple.get()]
    assert [] == told(watcher)


def test_a_lock_held_at_the_end_can_be_freed():
    """Beginning and end of watching need not agree with those of holding."""
    with watch():
        a, b = threading.Lock(), threading.RLock()
        a.acquire()
        b.acquire()
        b.acquire()
    a.release()
    b.release()
    b.release()

    assert a.acquire(blocking=False)
    in_turn(takes(b))


def test_locks_made_before_are_not_seen():
    """And are as they were."""
    a, b, event = threading.Lock(), threading.Lock(), threading.Event()
    with watch() as watcher:
        in_turn(takes(a, b), takes(b, a))
        event.set()
        assert event.wait()

    assert [] == told(watcher)


def test_what_a_module_imported_by_name_is_seen():
    """`from threading import Lock` before the watcher came."""
    with watch() as watcher:
        a, b = Lock(), Lock()
        in_turn(takes(a, b), takes(b, a))

    assert 1 == len(watcher.certain)


def test_isinstance_answers_as_before():
    """For old and new objects, during and after."""
    old, old_queue, old_event = threading.Lock(), queue.SimpleQueue(), threading.Event()
    with watch():
        new, new_queue, new_event = threading.Lock(), queue.SimpleQueue(), threading.Event()
        assert isinstance(old, threading.Lock)
        assert isinstance(new, threading.Lock)
        assert isinstance(old_queue, queue.SimpleQueue)
        assert isinstance(new_queue, queue.SimpleQueue)
        assert isinstance(old_event, threading.Event)
    assert isinstance(new_queue, queue.SimpleQueue)
    assert isinstance(new_event, threading.Event)


def test_a_name_taken_while_watched_makes_real_locks_afterwards():
    """Modules that were imported meanwhile keep our factories for ever."""
    real = type(threading.Lock()), type(threading.RLock())
    with watch():
        lock, rlock, simple = threading.Lock, threading.RLock, queue.SimpleQueue

    assert real == (type(lock()), type(rlock()))
    made = simple()
    made.put(1)
    assert 1 == made.get()


def test_a_module_imported_while_watched_has_real_names_afterwards(monkeypatch):
    """Nobody can tell that it was imported then."""
    module = types.ModuleType("late")
    monkeypatch.setitem(sys.modules, "late", module)
    real = threading.Lock
    with watch():
        module.Lock = threading.Lock
        assert real is not module.Lock

    assert real is module.Lock


def test_without_patching_only_named_locks_are_seen():
    """Nothing is replaced; locks are made or wrapped."""
    before = found()
    with watch(patch=False) as watcher:
        assert before == found()
        real = threading.Lock()
        a, b = watcher.wrap(real, "a"), watcher.wrap(threading.RLock(), "b")
        in_turn(takes(a, b), takes(b, a))

    assert 1 == len(watcher.findings)
    assert "takes b while it holds a" in told(watcher)[0]
    assert not real.locked()


def test_wrap_refuses_what_is_no_lock():
    """With what to do instead."""
    with watch(patch=False) as watcher, pytest.raises(TypeError, match="not Event: pass its lock"):
        watcher.wrap(threading.Event(), "event")


def test_a_watcher_is_used_once():
    """Before its begin it makes no locks, and it does not begin twice."""
    watcher = watch()
    with pytest.raises(RuntimeError, match="with watch"):
        watcher.lock("a")
    with watcher:
        pass
    with pytest.raises(RuntimeError, match="once"):
        watcher.__enter__()
    assert () == watch().findings


def test_what_somebody_else_puts_over_it_stays():
    """Their replacement is not taken away, and goes on working."""
    original = threading.Event.set
    with watch():
        ours = threading.Event.set
        threading.Event.set = lambda self: ours(self)
        theirs = threading.Event.set
    try:
        event = threading.Event()
        event.set()
        assert theirs is threading.Event.set
        assert event.is_set()
    finally:
        threading.Event.set = original
