"""What a task says about itself: signalling sections, scopes, interrupts, idleness."""

import pytest

from dmabuf.rt.api import Scope
from dmabuf.sync.context import (
    ALLOCATOR,
    allocate,
    begin_signalling,
    end_signalling,
    idle,
    local_irq_save,
    memalloc_nofs,
    memalloc_noio,
    memalloc_noreclaim,
    might_sleep,
    signalling,
    warn_on,
)
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import pending
from tests.facts import fact


def section(rt):
    """Is the calling task inside a signalling section?"""
    return bool(rt.current().signalling)


@fact("F8.03", "F8.05")
def test_begin_signalling_opens_a_section_that_end_closes(rt):
    """The cookie is false, and handing it to the end closes the section."""

    def main():
        cookie = begin_signalling()
        inside = section(rt)
        end_signalling(cookie)
        return cookie, inside, section(rt)

    assert (False, True, False) == rt.run(main)


@fact("F8.01", "F8.04", "F8.06")
def test_begin_signalling_inside_a_section_records_nothing(rt):
    """Nested cookies are true, and their ends leave the section open."""

    def main():
        cookies = [begin_signalling() for _ in range(3)]
        seen = []
        for cookie in reversed(cookies):
            seen.append(section(rt))
            end_signalling(cookie)
        return cookies, seen, section(rt)

    assert ([False, True, True], [True] * 3, False) == rt.run(main)


@fact("F8.02", "F8.08")
@pytest.mark.parametrize("where", ["spinlock", "irqsave", "irqs off", "handler"])
def test_begin_signalling_in_atomic_context_records_nothing(rt, where):
    """The cookie is true and no section is open, whatever makes the task atomic."""

    def main():
        seen = []

        def look():
            cookie = begin_signalling()
            seen.append((cookie, section(rt)))
            end_signalling(cookie)

        lock = SpinLock("A")
        sections = {"spinlock": lock, "irqsave": lock.irqsave(), "irqs off": local_irq_save()}
        if where == "handler":
            IrqWork(look).queue()
            rt.settle()
        else:
            with sections[where]:
                look()
        return seen

    assert [(True, False)] == rt.run(main)


@fact("F8.08")
@pytest.mark.parametrize("where", ["spinlock", "handler"])
def test_signal_in_atomic_context_records_no_section(rt, where):
    """A signal from there runs its callbacks outside any section."""

    def main():
        fence, seen = pending(), []
        fence.add_callback(lambda _f: seen.append(section(rt)))
        if where == "spinlock":
            with SpinLock("A"):
                fence.signal()
        else:
            IrqWork(fence.signal).queue()
            rt.settle()
        return seen

    assert [False] == rt.run(main)


@fact("F8.04")
def test_end_signalling_with_a_true_cookie_does_nothing(rt):
    """Neither inside a section nor outside."""

    def main():
        end_signalling(True)
        outside = section(rt)
        with signalling():
            end_signalling(True)
            return outside, section(rt)

    assert (False, True) == rt.run(main)


@fact("F8.07")
def test_end_signalling_with_the_wrong_cookie_ends_the_outer_section(rt):
    """A false cookie closes the section, whoever hands it over."""

    def main():
        outer = begin_signalling()
        inner = begin_signalling()
        end_signalling(outer)
        early = section(rt)
        end_signalling(inner)
        return early, section(rt)

    assert (False, False) == rt.run(main)


@fact("F8.06")
def test_signalling_sections_nest_and_end_when_their_body_raises(rt):
    """The with-block keeps its own cookie."""

    def main():
        seen = []
        with pytest.raises(KeyError), signalling():
            with signalling():
                seen.append(section(rt))
            seen.append(section(rt))
            raise KeyError("x")
        return [*seen, section(rt)]

    assert [True, True, False] == rt.run(main)


def test_signalling_sections_are_the_tasks_own(rt):
    """What one task opens is not open for another."""

    def main():
        seen = []
        with signalling():
            rt.spawn(lambda: seen.append(section(rt)))
            rt.settle()
        return seen

    assert [False] == rt.run(main)


@pytest.mark.parametrize(
    ("scope", "flag"),
    [
        (memalloc_noreclaim, Scope.NORECLAIM),
        (memalloc_nofs, Scope.NOFS),
        (memalloc_noio, Scope.NOIO),
    ],
)
def test_memalloc_scope_is_set_inside_and_restored(rt, scope, flag):
    """Also when the body raises, and nested in itself."""

    def main():
        task = rt.current()
        seen = []
        with pytest.raises(KeyError), scope():
            with scope():
                seen.append(task.scope)
            seen.append(task.scope)
            raise KeyError("x")
        return [*seen, task.scope]

    assert [flag, flag, Scope.NONE] == rt.run(main)


def test_memalloc_scopes_add_up(rt):
    """Inside several each of them holds, and each end restores what was before it."""

    def main():
        task, seen = rt.current(), []
        with memalloc_nofs():
            with memalloc_noio(), memalloc_noreclaim():
                seen.append(task.scope)
            seen.append(task.scope)
        return seen

    assert [Scope.NOFS | Scope.NOIO | Scope.NORECLAIM, Scope.NOFS] == rt.run(main)


def test_memalloc_scopes_are_the_tasks_own(rt):
    """A task started inside a scope is not in it."""

    def main():
        seen = []
        with memalloc_nofs():
            rt.spawn(lambda: seen.append(rt.current().scope))
            rt.settle()
        return seen

    assert [Scope.NONE] == rt.run(main)


def test_local_irq_save_nests_and_restores(rt):
    """Interrupts come back on with the outermost end, also when the body raises."""

    def main():
        task, seen = rt.current(), []
        with pytest.raises(KeyError), local_irq_save():
            with local_irq_save():
                seen.append((task.irqs_off, task.is_atomic))
            seen.append((task.irqs_off, task.is_atomic))
            raise KeyError("x")
        return [*seen, (task.irqs_off, task.is_atomic)]

    assert [(2, True), (1, True), (0, False)] == rt.run(main)


def test_idle_nests_and_restores(rt):
    """Inside, the task waits for what nobody owes: it may stay blocked for ever."""

    def main():
        task, seen = rt.current(), [rt.current().idle]
        with idle():
            with idle():
                seen.append(task.idle)
            seen.append(task.idle)
        return [*seen, task.idle]

    assert [False, True, True, False] == rt.run(main)


def test_might_sleep_is_silent_in_process_context(rt):
    """Nothing is wrong with sleeping there, signalling section or not."""

    def main():
        might_sleep("a nap")
        with signalling(), memalloc_noreclaim():
            might_sleep("a nap")

    assert [] == rt.reports(main)


@pytest.mark.parametrize("code", ["DF003", "DF206"])
def test_might_sleep_reports_the_rule_it_is_told(rt, code):
    """The caller says which rule an atomic sleep breaks."""

    def main():
        with local_irq_save():
            might_sleep("a nap", code=code)

    message = "a nap may sleep, but main has interrupts off"
    assert [(code, message)] == rt.reports(main)


def test_warn_on_is_survived_live_and_ends_an_execution(rt):
    """Both record it; live the caller goes on."""
    after = []

    def main():
        warn_on(rt.runtime, "odd")
        after.append("went on")

    assert [("DF004", "odd")] == rt.reports(main)
    assert ([] if rt.explored else ["went on"]) == after


def test_allocate_asks_the_memory_world(rt):
    """Whoever fills the hook hears the flags and what for, and says whether there is memory."""
    heard = []

    def main():
        rt.runtime.extras[ALLOCATOR] = lambda gfp, what: heard.append((gfp, what))
        return allocate(Gfp.ATOMIC, "a slot"), allocate(Gfp.KERNEL)

    assert (False, False) == rt.run(main)
    assert [(Gfp.ATOMIC, "a slot"), (Gfp.KERNEL, "memory")] == heard


def test_allocate_without_a_memory_world_succeeds(rt):
    """No design fails for want of memory before there is a memory world."""
    assert rt.run(lambda: allocate(Gfp.KERNEL))


@pytest.mark.parametrize("gfp", [Gfp.KERNEL, Gfp.NOFS, Gfp.NOIO])
def test_allocate_that_may_reclaim_may_sleep(rt, gfp):
    """With direct reclaim allowed, atomic context is reported."""

    def main():
        with local_irq_save():
            allocate(gfp, "a node")

    message = "an allocation (a node) may sleep, but main has interrupts off"
    assert [("DF003", message)] == rt.reports(main)


@pytest.mark.parametrize("gfp", [Gfp.ATOMIC, Gfp.NOWAIT])
def test_allocate_without_reclaim_may_be_called_anywhere(rt, gfp):
    """Without direct reclaim atomic context is fine."""

    def main():
        with local_irq_save():
            return allocate(gfp)

    assert rt.run(main)
