"""dma_fence under RCU: names, references to what others put, and when a fence is gone.

That the last put, and with it the release hook, may happen in irq context is shown in
test_fence_lifetime.py (`test_put_for_the_last_time_may_happen_in_irq_context`).
"""

import pytest

from dmabuf import Shared, SpinLock, Status, Timeline, check_design, design
from dmabuf.core.fence_free import is_freed
from dmabuf.core.fence_rcu import get_rcu_safe
from dmabuf.core.fence_steps import state_of
from dmabuf.rt.threads import Threads
from dmabuf.sync.rcu import RcuPointer, rcu_read_lock, synchronize_rcu
from tests.core.drivers import Driver, pending
from tests.facts import fact
from tests.support import Listener, op_of_test

# --- names ------------------------------------------------------------------------------------


@fact("F1.150")
@pytest.mark.parametrize("name", ["driver_name", "timeline_name"])
def test_name_of_a_pending_fence_outside_rcu_is_reported(name):
    """The driver may go while its string is looked at; the message says who reads what."""

    @design
    def prints(machine):
        fence = Timeline("gpu").fence()
        machine.kthread(lambda: getattr(fence, name), "printer")

    [finding] = check_design(prints, "prints").findings
    assert "DF004" == finding.code
    assert f"printer reads {name} of gpu:1 outside rcu_read_lock" in finding.message


@fact("F1.150")
def test_names_are_read_in_peace_under_rcu_or_once_signalled(rt):
    """A reader's string stays, and after the signal the names are the kernel's own."""

    def main():
        fence = pending()
        with rcu_read_lock():
            names = [fence.driver_name, fence.timeline_name]
        fence.signal()
        return [*names, fence.driver_name, fence.timeline_name]

    _, _, *signalled = rt.run(main)
    assert ["detached-driver", "signaled-timeline"] == signalled


@fact("F1.150")
def test_name_that_a_signal_may_take_away_is_found():
    """The check is made at the read: the schedule in which the signal comes first is fine."""

    @design
    def races(machine):
        fence = Timeline("gpu").fence()
        machine.kthread(lambda: fence.driver_name, "printer")
        machine.kthread(fence.signal, "signaller")

    verdict = check_design(races, "races")

    assert ["DF004"] == [finding.code for finding in verdict.findings]


def test_name_printed_by_a_live_program_is_its_business():
    """Nobody looks for mistakes there; with an observer somebody does."""
    rt = Threads()
    fence = Timeline("gpu", driver="drv", rt=rt).fence()

    names = fence.driver_name, fence.timeline_name

    assert ("drv", "gpu", []) == (*names, list(rt.reports))
    rt.attach(Listener())
    with pytest.warns(match="outside rcu_read_lock"):
        assert "drv" == fence.driver_name


@fact("F1.151")
def test_describe_is_for_whoever_asks(rt):
    """Its caller need not be a reader."""
    assert "unsignalled" in rt.run(lambda: pending().describe())


# --- references -------------------------------------------------------------------------------


@fact("F1.152")
def test_get_by_a_reader_of_old_answers_none(rt):
    """The count is still there to look at, and it is 0."""

    def main():
        fence = pending()
        with rcu_read_lock():
            fence.put()
            return fence.get(), is_freed(fence)

    assert (None, False) == rt.run(main)


@fact("F1.153", "F1.154")
def test_get_rcu_safe_takes_a_reference(rt):
    """To what the slot points to; to nothing if it is empty."""

    def main():
        fence = pending()
        with rcu_read_lock():
            got = get_rcu_safe(Shared(fence, "slot"))
            nothing = get_rcu_safe(Shared(None, "empty"))
        return got is fence, nothing, state_of(fence).references

    assert (True, None, 2) == rt.run(main)


class _Slot:
    """Points to one fence when it is read first, to another ever after."""

    def __init__(self, first, then):
        self.answers = [first, then]

    def read(self):
        """What it points to now."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@fact("F1.153", "F1.155")
def test_get_rcu_safe_gives_back_what_the_slot_names_no_more(rt):
    """It answers the newer fence, and the older one keeps the references it had."""

    def main():
        older, newer = pending(), pending()
        with rcu_read_lock():
            got = get_rcu_safe(_Slot(older, newer))
        return got is newer, state_of(older).references, state_of(newer).references

    assert (True, 1, 2) == rt.run(main)


def _reuse(fence, _task):
    state_of(fence).references = 1


REUSE = op_of_test("reuse", action=_reuse)
"""The memory of a released fence becomes another one: what a type-stable slab does."""


def _without_the_second_look(slot):
    while (fence := slot.read()) is not None:
        if fence.get() is not None:
            return fence
    return None


def _without_the_zero_check(slot):
    fence = slot.read()
    fence.get()
    return fence


def _replacing(get, *, reused):
    """A reader takes a reference by `get` while a replacer puts the last one."""

    @design
    def replaces(machine):
        ops = Driver(release=lambda _f: None) if reused else None
        line = Timeline("gpu", driver="gpu", ops=ops) if reused else Timeline("gpu")
        older, newer = line.fence(), line.fence()
        older.signal()
        newer.signal()
        slot, owner = Shared(older, "slot"), Shared("ours", "owner of older")
        RcuPointer(None, "domain")

        def read():
            with rcu_read_lock():
                fence = get(slot)
            if fence is older:
                assert owner.read() == "ours", "a reference to somebody else's fence"
            fence.is_signaled()
            fence.put()

        def replace():
            slot.write(newer)
            older.put()
            if reused and state_of(older).references == 0:
                owner.write("somebody else's")
                machine.rt.step(REUSE, older)

        machine.kthread(read, "reader")
        machine.kthread(replace, "replacer")

    return check_design(replaces, "replaces")


@fact("F1.153", "F1.155", "F1.156")
def test_get_rcu_safe_against_a_replacer_is_proved():
    """Whatever the schedule, what it answers has a reference."""
    verdict = _replacing(get_rcu_safe, reused=False)
    assert Status.PROVED is verdict.status, verdict


@fact("F1.152")
def test_get_without_the_zero_check_is_found():
    """The reader goes on with a fence that has no reference."""
    verdict = _replacing(_without_the_zero_check, reused=False)

    assert Status.VIOLATED is verdict.status
    assert "DF004" in [finding.code for finding in verdict.findings]


@fact("F1.153")
def test_get_rcu_safe_of_reused_memory_is_proved():
    """Even where the memory becomes another fence, it answers what the slot names."""
    verdict = _replacing(get_rcu_safe, reused=True)
    assert Status.PROVED is verdict.status, verdict


@fact("F1.153")
def test_get_without_the_second_look_is_found():
    """A reference is had, but to what the memory has become."""
    verdict = _replacing(_without_the_second_look, reused=True)

    assert Status.VIOLATED is verdict.status
    assert "somebody else's fence" in verdict.findings[0].message


# --- freeing ----------------------------------------------------------------------------------


def _looking(look, *, under_rcu=True, before_put=None, hooks=None):
    """A reader follows a pointer and looks; an updater empties it and puts the last reference."""

    @design
    def looks(machine):
        line = Timeline("gpu", driver="gpu", ops=hooks) if hooks else Timeline("gpu")
        fence = line.fence()
        fence.signal()
        cell = RcuPointer(fence, "cell")

        def read():
            with rcu_read_lock():
                found = cell.dereference()
                if found is not None and under_rcu:
                    look(found)
            if found is not None and not under_rcu:
                look(found)

        def update():
            cell.assign(None)
            if before_put is not None:
                before_put()
            fence.put()

        machine.kthread(read, "reader")
        machine.kthread(update, "updater")

    return check_design(looks, "looks")


LOOKS = {
    "is_signaled": lambda fence: fence.is_signaled(),
    "get": lambda fence: fence.get(),
    "status": lambda fence: fence.status,
    "add_callback": lambda fence: fence.add_callback(print),
    "signal": lambda fence: fence.signal(),
    "name": lambda fence: fence.timeline_name,
    "wait without time": lambda fence: fence.wait(timeout=0),
}


@fact("F1.156")
@pytest.mark.parametrize("look", sorted(set(LOOKS) - {"get", "wait without time"}))
def test_fence_put_is_there_until_its_readers_leave(look):
    """In every schedule: who found it before may look at it."""
    assert Status.PROVED is _looking(LOOKS[look]).status


@fact("F1.156")
@pytest.mark.parametrize("look", sorted(LOOKS))
def test_fence_used_after_its_readers_left_is_found(look):
    """The grace period may end at the reader's unlock."""
    verdict = _looking(LOOKS[look], under_rcu=False)

    assert "DF004" in [finding.code for finding in verdict.findings]
    assert any("which is freed" in finding.message for finding in verdict.findings)


@fact("F1.156")
def test_fence_found_by_nobody_after_a_grace_period_is_proved():
    """Waiting before the put is as good."""
    verdict = _looking(LOOKS["is_signaled"], before_put=synchronize_rcu)

    assert Status.PROVED is verdict.status


@fact("F1.156")
def test_fence_of_a_late_reader_is_found():
    """Whoever begins to read after the last put has no claim, even if another still reads."""

    @design
    def late(machine):
        fence = Timeline("gpu").fence()
        fence.signal()
        RcuPointer(None, "domain")

        def read():
            with rcu_read_lock():
                fence.is_signaled()

        machine.kthread(read, "reader")
        machine.kthread(fence.put, "updater")

    assert ["DF004"] == [f.code for f in check_design(late, "late").findings]


@fact("F1.157")
def test_look_of_a_reader_needs_no_lock(rt):
    """Somebody holds the fence's lock, and the reader is through all the same."""

    def main():
        lock = SpinLock("ring")
        fence = Timeline("gpu", lock=lock).fence()
        seen = []

        def read():
            with rcu_read_lock():
                seen.append((get_rcu_safe(Shared(fence, "slot")) is fence, fence.is_signaled()))

        with lock:
            rt.spawn(read, name="reader")
            rt.settle()
            return list(seen)

    assert [(True, False)] == rt.run(main)
