"""What a design states about itself, and time without an order."""

import pytest

from dmabuf import Completion, Mutex, Shared, Status, Timeline, check_design
from dmabuf.errors import DesignError
from dmabuf.explore import properties
from dmabuf.explore.check import replay_design
from dmabuf.explore.portfolio import DPOR, ENGINES, GRAPH, SLEEP
from dmabuf.explore.search import Budget
from dmabuf.machine import Machine
from dmabuf.rt.strategy import TIMEOUT, FirstEnabled, variant_of
from dmabuf.rt.tasks import Tasks

LIMIT = Budget(seconds=None, executions=400)
EVERY_STATE = (SLEEP, GRAPH, DPOR)


def check(design, **how):
    """Its verdict."""
    return check_design(design, "design", budget=LIMIT, **how)


def counts_inside(*, locked):
    """Two tasks in a section that is for one, with or without a lock."""

    def design(machine):
        lock, inside = Mutex("lock"), Shared(0, "inside")

        def enter():
            if locked:
                lock.lock()
            inside.add(1)
            inside.add(-1)
            if locked:
                lock.unlock()

        machine.kthread(enter, "A")
        machine.kthread(enter, "B")
        machine.always(lambda: inside.read() <= 1, "one at a time")

    return design


@pytest.mark.parametrize("engine", EVERY_STATE)
def test_always_is_looked_at_after_each_step(engine):
    """A state between two steps that breaks the property is a finding, with its schedule."""
    verdict = check(counts_inside(locked=False), engine=engine)
    finding = verdict.findings[0]
    again = replay_design(counts_inside(locked=False), "design", finding.token)

    assert ("DF005", "always one at a time is not always true") == (finding.code, finding.message)
    assert finding.message == again.findings[0].message


@pytest.mark.parametrize("engine", EVERY_STATE)
def test_always_that_holds_is_proved(engine):
    """With the lock no state breaks it."""
    verdict = check(counts_inside(locked=True), engine=engine)

    assert (Status.PROVED, ()) == (verdict.status, verdict.findings)


def test_always_that_raises_is_told():
    """A predicate's own mistake is a finding, not a crash."""

    def design(machine):
        machine.kthread(lambda: None)
        machine.always(lambda: 1 / 0, "quotient")

    finding = check(design).findings[0]

    assert "always quotient raised ZeroDivisionError: division by zero" == finding.message


def test_always_that_changes_something_is_told():
    """A predicate may only read."""

    def design(machine):
        cell = Shared(0, "cell")
        machine.kthread(lambda: None)
        machine.always(lambda: cell.add(1) > 0, "count")

    finding = check(design).findings[0]

    assert finding.message.startswith("always count cannot be evaluated")


def test_property_that_is_no_function_is_refused():
    """What is stated has to be asked again and again."""

    def design(machine):
        machine.always(True)

    with pytest.raises(DesignError, match="takes a function to ask, not True"):
        check(design)


@pytest.mark.parametrize("engine", ENGINES)
def test_eventually_is_judged_at_rest(engine):
    """A run that ends without it is a finding under every strategy."""

    def design(machine):
        done = Shared(0, "done")
        machine.userspace(lambda: done.write(1), "process")
        machine.eventually(lambda: done.read() == 1, "done")

    verdict = check(design, engine=engine)

    assert ["eventually done is not true where the run comes to rest"] == [
        finding.message for finding in verdict.findings
    ]


def test_eventually_that_comes_true_is_proved():
    """A kernel task goes on, so what it does comes to be."""

    def design(machine):
        done = Shared(0, "done")
        machine.kthread(lambda: done.write(1))
        machine.eventually(lambda: done.read() == 1, "done")

    assert Status.PROVED is check(design).status


def goes_round(values):
    """An idle task that writes these values for ever."""

    def design(machine):
        light = Shared("red", "light")

        def turn():
            while True:
                for value in values:
                    light.write(value)

        machine.kthread(turn, "light", idle=True)
        machine.eventually(lambda: light.read() == "green", "green")

    return design


def test_eventually_is_judged_in_runs_that_never_end():
    """There it has to be true again and again."""
    never, again = (check(goes_round(values)) for values in (["red"], ["red", "green"]))

    assert ["eventually green is not true in a run that never ends"] == [
        finding.message for finding in never.findings
    ]
    assert Status.PROVED is again.status


def test_finite_fence_has_to_signal_though_nobody_knows_it():
    """A fence that nobody but its maker has touched is judged if the design says so."""

    def design(machine, *, stated):
        fence = Timeline("gpu").fence()
        machine.kthread(lambda: None)
        if stated:
            machine.finite(fence)

    verdicts = [check(lambda m, s=stated: design(m, stated=s)) for stated in (False, True)]

    assert [[], ["DF101"]] == [[f.code for f in verdict.findings] for verdict in verdicts]


def test_deadlock_leads_what_was_stated():
    """Where a run came to rest badly, the rule it breaks says more than the design's own."""

    def design(machine):
        done = Completion("done")
        machine.kthread(done.wait, "waiter")
        machine.eventually(lambda: done.done > 0, "done")

    assert ["DF001"] == [finding.code for finding in check(design).findings]


def test_judge_of_a_room_above_is_asked_in_every_state(monkeypatch):
    """Whoever registers a judge sees each state of each design."""

    def judge(rt):
        late = any(isinstance(obj, Shared) and obj._value > 1 for obj in rt.objects)
        return ("DF004", "it is late") if late else None

    monkeypatch.setattr(properties, "JUDGES", [judge])

    def design(machine):
        cell = Shared(0, "cell")
        machine.kthread(lambda: (cell.add(1), cell.add(1)))

    assert [("DF004", "it is late")] == [(f.code, f.message) for f in check(design).findings]


class Timeouts(FirstEnabled):
    """Notes how many timeouts were possible at once; takes one only where nothing else is."""

    def __init__(self):
        self.most = 0

    def pick(self, runtime):
        """The first step that is no timeout, if there is one."""
        enabled = runtime.enabled()
        timeouts = [step for step in enabled if variant_of(step) == TIMEOUT]
        self.most = max(self.most, len(timeouts))
        return next((step for step in enabled if step not in timeouts), super().pick(runtime))


@pytest.mark.parametrize(("any_time", "most"), [(False, 1), (True, 2)])
def test_any_time_takes_timeouts_in_any_order(any_time, most):
    """In exact time the earliest deadline is the only one that can pass next."""
    look = Timeouts()

    def body(runtime):
        machine, never = Machine(runtime), Completion("never")
        machine.kthread(lambda: never.wait(timeout=1.0), "short")
        machine.kthread(lambda: never.wait(timeout=2.0), "long")
        if any_time:
            machine.any_time()

    Tasks(look).run(body)

    assert most == look.most


@pytest.mark.parametrize("engine", EVERY_STATE)
@pytest.mark.parametrize("kind", ["userspace", "hardware", "kthread"])
def test_who_stops_for_ever_keeps_no_timeout_back(engine, kind):
    """Time passes for a kernel task also if somebody with an earlier deadline may stop."""

    def design(machine):
        event = Completion("event")
        getattr(machine, kind)(lambda: event.wait(1.0), "first")
        machine.kthread(lambda: event.wait(2.0), "second")

    assert Status.PROVED is check(design, engine=engine).status
