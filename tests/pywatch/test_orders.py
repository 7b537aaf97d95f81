"""Locks taken in an order without a beginning, and what only looks like it."""

import threading

import pytest

from dmabuf.pywatch import watch
from tests.pywatch.helpers import in_turn, takes, told


def test_two_locks_in_both_orders_are_found():
    """AB in one thread and BA in another is certain, with both locks and both threads."""
    with watch() as watcher:
        a = threading.Lock()
        b = threading.RLock()

        def ab():
            with a, b:
                pass

        def ba():
            with b, a:
                pass

        in_turn(ab, ba)

    (finding,) = watcher.certain
    assert () == watcher.suspected
    assert "DF001" == finding.code
    assert ("ab", "ba") == finding.tasks
    assert ["a (Lock,", "b (RLock,"] == [wait.holds[0][: wait.holds[0].index(" test")]
                                         for wait in finding.waits]  # fmt: skip


def test_a_finding_has_both_stacks():
    """Where each lock was asked for, and where the one held meanwhile was taken."""
    with watch() as watcher:
        a = threading.Lock()
        b = threading.Lock()

        def inner(lock):
            lock.acquire()
            lock.release()

        def ab():
            with a:
                inner(b)

        def ba():
            b.acquire()
            inner(a)
            b.release()

        in_turn(ab, ba)

    (finding,) = watcher.certain
    start = ab.__code__.co_firstlineno
    stacks = [[(place.function, place.line - start) for place in wait.stack[:2]]
              for wait in finding.waits]  # fmt: skip
    held = [[(one.function, one.line - start) for one in wait.taken[0].stack[:1]]
            for wait in finding.waits]  # fmt: skip
    assert [[("inner", -3), ("ab", 2)], [("inner", -3), ("ba", 6)]] == [
        [(name.rsplit(".", 1)[-1], line) for name, line in stack] for stack in stacks
    ]
    assert [[("ab", 1)], [("ba", 5)]] == held


def test_one_order_is_quiet():
    """Whoever keeps the order hears nothing."""
    with watch() as watcher:
        a = threading.Lock()
        b = threading.Lock()
        in_turn(takes(a, b), takes(a, b), takes(b), takes(a))

    assert [] == told(watcher)


@pytest.mark.parametrize("count", [3, 4, 6])
def test_a_longer_cycle_is_found(count):
    """As many threads as locks, each with its own and the next one."""
    with watch() as watcher:
        locks = [watcher.lock(f"lock {number}") for number in range(count)]
        pairs = zip(locks, [*locks[1:], locks[0]], strict=True)
        in_turn(*[takes(one, other) for one, other in pairs])

    (finding,) = watcher.certain
    assert count == len(finding.waits)


def test_a_chain_that_does_not_close_is_quiet():
    """A before B before C, and A before C."""
    with watch() as watcher:
        a, b, c = (watcher.lock(name) for name in "abc")
        in_turn(takes(a, b), takes(b, c), takes(a, c))

    assert [] == told(watcher)


def test_two_orders_under_one_gate_are_quiet():
    """With a lock around both of them the two never meet."""
    with watch() as watcher:
        gate, a, b = (watcher.lock(name) for name in ("gate", "a", "b"))
        in_turn(takes(gate, a, b), takes(gate, b, a))

    assert [] == told(watcher)


def test_a_gate_that_is_passed_by_once_is_none():
    """One way without the gate is enough, be it the last one."""
    with watch() as watcher:
        gate, a, b = (watcher.lock(name) for name in ("gate", "a", "b"))
        in_turn(takes(gate, a, b), takes(gate, b, a), takes(b, a))

    (finding,) = watcher.certain
    assert 2 == len(finding.waits)


def test_gates_of_one_class_that_are_two_locks_are_none():
    """A gate is one lock, not one line."""
    with watch() as watcher:
        one, other = (watcher.lock("gate") for _ in range(2))
        a, b = watcher.lock("a"), watcher.lock("b")
        in_turn(takes(one, a, b), takes(other, b, a))

    assert 1 == len(watcher.certain)


def test_a_cycle_of_two_of_three_threads_under_a_gate_is_quiet():
    """Two of the three arrows have a lock in common, so the three never stand together."""
    with watch() as watcher:
        gate, a, b, c = (watcher.lock(name) for name in ("gate", "a", "b", "c"))
        in_turn(takes(gate, a, b), takes(gate, b, c), takes(c, a))

    assert [] == told(watcher)


def test_an_rlock_taken_again_is_quiet():
    """Recursion is what it is for; its order counts once."""
    with watch() as watcher:
        a = threading.RLock()
        b = threading.Lock()
        in_turn(takes(a, b, a), takes(a, a, b))

    assert [] == told(watcher)


def test_an_rlock_is_held_until_its_last_release():
    """After the first of two releases it is still an outer lock."""
    with watch() as watcher:
        a, b = watcher.rlock("a"), watcher.lock("b")

        def deep():
            a.acquire()
            a.acquire()
            a.release()
            with b:
                pass
            a.release()

        in_turn(deep, takes(b, a))

    assert 1 == len(watcher.certain)


def test_a_lock_that_is_only_tried_is_quiet():
    """Who does not wait closes no cycle."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")

        def tries():
            with b:
                assert a.acquire(blocking=False)
                a.release()
                assert a.acquire(timeout=0)
                a.release()

        in_turn(takes(a, b), tries)

    assert [] == told(watcher)


def test_what_is_taken_under_a_tried_lock_counts():
    """A lock is held, however it was taken."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")

        def tries():
            assert b.acquire(blocking=False)
            with a:
                pass
            b.release()

        in_turn(takes(a, b), tries)

    assert 1 == len(watcher.certain)


def test_a_wait_with_an_end_is_found_and_told_as_one():
    """A timeout makes a deadlock short, not right."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")

        def patient():
            with b:
                assert a.acquire(timeout=60)
                a.release()

        in_turn(takes(a, b), patient)

    (message,) = told(watcher)
    assert message.endswith("(a timeout ends the wait)")


def test_a_thread_that_was_joined_before_is_quiet():
    """The other order is used only when the first user has gone."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")
        for locks in ((a, b), (b, a)):
            thread = threading.Thread(target=takes(*locks))
            thread.start()
            thread.join()

    assert [] == told(watcher)


def test_what_was_done_before_a_thread_was_started_is_quiet():
    """Set-up in one order, work in another."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")
        takes(a, b)()
        in_turn(takes(b, a))

    assert [] == told(watcher)


def test_what_is_done_after_a_thread_was_started_is_found():
    """The near-miss: nobody waited for it."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")
        thread = threading.Thread(target=takes(b, a))
        thread.start()
        takes(a, b)()
        thread.join()

    assert 1 == len(watcher.certain)


def test_both_orders_in_one_thread_are_suspected():
    """Nobody was there to meet, but two threads that do the same can."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")
        takes(a, b)()
        takes(b, a)()

    assert () == watcher.certain
    (finding,) = watcher.suspected
    assert finding.message.startswith("suspected: ")
    assert "seen of one thread only" in finding.message


def test_a_suspicion_gives_way_to_certainty():
    """The same cycle is told once, by its best evidence."""
    with watch() as watcher:
        a, b = watcher.lock("a"), watcher.lock("b")
        takes(a, b)()
        takes(b, a)()
        assert 1 == len(watcher.suspected)
        in_turn(takes(a, b), takes(b, a))

    assert 1 == len(watcher.findings) == len(watcher.certain)


def test_locks_of_one_line_in_both_orders_are_found():
    """Two accounts, and transfers both ways."""
    with watch() as watcher:
        one, other = (threading.Lock() for _ in range(2))
        in_turn(takes(one, other), takes(other, one))

    (finding,) = watcher.certain
    assert " no. 1" in finding.message
    assert " no. 2" in finding.message


def test_locks_of_one_line_in_one_order_are_quiet():
    """Parent before child is an order, though both are made in one line."""
    with watch() as watcher:
        one, two, three = (threading.Lock() for _ in range(3))
        in_turn(takes(one, two), takes(two, three), takes(one, three))

    assert [] == told(watcher)


def test_an_order_of_lines_that_no_two_locks_break_is_suspected():
    """Different locks of the same two lines, in both orders."""
    with watch() as watcher:
        a1, a2 = (watcher.lock("a") for _ in range(2))
        b1, b2 = (watcher.lock("b") for _ in range(2))
        in_turn(takes(a1, b1), takes(b2, a2))

    (finding,) = watcher.suspected
    assert () == watcher.certain
    assert "different locks made in the same lines" in finding.message


def test_the_locks_that_matter_may_come_late():
    """The pair that closes a cycle need not be the first of its lines."""
    with watch() as watcher:
        a1, a2 = (watcher.lock("a") for _ in range(2))
        b1, b2 = (watcher.lock("b") for _ in range(2))
        in_turn(takes(a1, b1), takes(a2, b2), takes(b2, a2))

    assert 1 == len(watcher.certain)


def test_locks_freed_in_any_order_are_followed():
    """Hand over hand: the first is freed while the second is held."""
    with watch() as watcher:
        a, b, c = (watcher.lock(name) for name in "abc")

        def hand_over_hand():
            a.acquire()
            b.acquire()
            a.release()
            c.acquire()
            b.release()
            c.release()

        in_turn(hand_over_hand, takes(c, a))

    assert () == watcher.certain


def test_a_lock_still_held_after_hand_over_counts():
    """The near-miss: B was held when C was taken."""
    with watch() as watcher:
        a, b, c = (watcher.lock(name) for name in "abc")

        def hand_over_hand():
            a.acquire()
            b.acquire()
            a.release()
            c.acquire()
            b.release()
            c.release()

        in_turn(hand_over_hand, takes(c, b))

    assert 1 == len(watcher.certain)


def test_a_lock_taken_twice_by_its_holder_is_found():
    """A plain lock is not reentrant; the timeout lets the test end, and so makes it no finding."""
    with watch(raise_on_finding=True) as watcher:
        a = watcher.lock("a")
        with a:
            assert not a.acquire(timeout=0.001)
            with pytest.raises(RuntimeError, match="MainThread waits for a, which it holds itself"):
                a.acquire()

    (finding,) = watcher.certain
    assert "a" == finding.waits[0].target


def test_a_lock_freed_by_another_thread_holds_nothing_afterwards():
    """Its taker is not taken for its holder any more."""
    with watch() as watcher:
        baton, a = watcher.lock("baton"), watcher.lock("a")

        def gives():
            baton.acquire()

        def frees():
            baton.release()

        in_turn(gives, frees, takes(a, baton), takes(a))

    assert [] == told(watcher)


def test_who_took_a_lock_that_another_thread_frees_holds_it_no_more():
    """So it can stand idle again, and what it takes next is under nothing."""
    with watch() as watcher:
        baton, a = watcher.lock("baton"), watcher.lock("a")
        baton.acquire()
        in_turn(baton.release)
        with a:
            assert [a] == watcher._ledger.here().locks


def test_a_conflict_of_a_lock_that_turns_out_to_be_passed_on_is_withdrawn():
    """What was told before somebody else freed it does not stand."""
    with watch() as watcher:
        baton, a = watcher.lock("baton"), watcher.lock("a")

        def takes_under():
            baton.acquire()
            a.acquire()
            a.release()

        before = []
        in_turn(
            takes(a, baton),
            takes_under,
            lambda: before.extend(watcher.certain),
            baton.release,
        )

    assert 1 == len(before)
    assert () == watcher.certain


def test_all_cycles_are_told_in_one_run():
    """Three different ones, three findings."""
    with watch() as watcher:
        names = ("ab", "cd", "ef")
        pairs = [(watcher.lock(name[0]), watcher.lock(name[1])) for name in names]
        bodies = [takes(*pair) for pair in pairs] + [takes(*reversed(pair)) for pair in pairs]
        in_turn(*bodies, *bodies)

    assert 3 == len(watcher.certain)
