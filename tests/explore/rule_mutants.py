"""Ways to weaken the rules of source-DPOR, each with a program on which it is noticed.

Weakenings that only have more explored than is needed are none: that an initial is not recognised,
that a closed step counts as possible, that what spawned a task is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest

from dmabuf.explore.strategies.choice import Choice
from dmabuf.explore.strategies.dpor import SourceSets
from dmabuf.explore.strategies.races import Races
from dmabuf.explore.strategies.stands import Stand
from dmabuf.explore.strategies.watch import Watch, Watches
from dmabuf.rt.cpus import Cpus
from dmabuf.rt.strategy import VARIANTS
from tests.explore.random_programs import generate
from tests.explore.small_scope import programs
from tests.explore.straight_line import Program

__all__ = ["RULE_MUTANTS", "RuleMutant"]

Where = tuple[str | tuple[str, ...], int]
_of = Watches.of
_try_first = Races._try_first
_from_step = Races.from_step
_leaves_closed = Races._leaves_closed
_may_go_on = Choice.may_go_on


@dataclass(frozen=True)
class RuleMutant:
    """One rule weakened.

    Attributes:
        name: what is wrong.
        where: the program that notices it: its group and number, or its families and seed.
        owner: the class.
        method: of it, that is replaced by `by`.
    """

    name: str
    where: Where
    owner: type
    method: str
    by: Callable[..., Any]

    @property
    def program(self) -> Program:
        """The program that notices."""
        of, number = self.where
        if isinstance(of, str):
            return next(islice(programs(of), number, None))
        return generate(number, of)

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Make the mistake."""
        patch.setattr(self.owner, self.method, self.by)


def _nothing(*_args: Any, **_how: Any) -> None:
    return None


def _unless(case: Callable[[Races, int, Any, Any], bool]) -> Callable[..., None]:
    """A race with what stands at a step is forgotten in one case."""

    def try_first(self: Races, earlier: int, node: Any, stand: Any) -> None:
        if not case(self, earlier, node, stand):
            _try_first(self, earlier, node, stand)

    return try_first


def _itself_only(self: Races, earlier: int, node: Any, stand: Any) -> None:
    if stand.is_there(earlier, node) and node.offers(stand.task):
        node.add(stand.task)
    else:
        _try_first(self, earlier, node, stand)


def _without(which: Callable[[int, Any, Any], bool]) -> Callable[..., tuple[int, ...]]:
    """The watch forgets something."""

    def of(self: Watches, task: Any, runtime: Any) -> Watch:
        whole = _of(self, task, runtime)
        parts = (whole.firm, whole.signal, whole.time)
        kept = (tuple(n for n in part if not which(n >> 1, task, runtime)) for part in parts)
        return Watch(*kept)

    return of


def _as_read(watch: Watch) -> Watch:
    return Watch(watch.firm, watch.signal, tuple(number & ~1 for number in watch.time))


def _waits_on(number: int, task: Any, runtime: Any) -> bool:
    op = task.op
    return op.waits_on is not None and number == runtime.number_of(op.awaited(task.obj))


def _may_go_one_way(self: Choice, task: int) -> bool:
    ways = [one for one in self.enabled if one // VARIANTS == task]
    return len(ways) == 1 and _may_go_on(self, task)


def _kept_out_is_closed(self: Races, earlier: int, step: int, stand: Any) -> bool:
    stand.is_closed = not stand.is_ready
    return _leaves_closed(self, earlier, step, stand)


RULE_MUTANTS = (
    RuleMutant(
        "what has two ways waits for the races of each",
        (("choose", "spin", "interrupt"), 2821),
        Choice,
        "may_go_on",
        _may_go_one_way,
    ),
    RuleMutant(
        "who is kept from his CPU is taken to be closed",
        (("irq",), 1042),
        Races,
        "_leaves_closed",
        _kept_out_is_closed,
    ),
    RuleMutant("steps do not race", ("completion", 2), Races, "_reverse", _nothing),
    RuleMutant("what stands does not race", ("completion", 2), Races, "_come_first", _nothing),
    RuleMutant(
        "what led to a step is not tried",
        ("fence", 5),
        Races,
        "_try_first",
        _unless(lambda self, e, node, stand: not stand.is_there(e, node)),
    ),
    RuleMutant(
        "what stood there and could move is not tried",
        ("completion", 2),
        Races,
        "_try_first",
        _unless(lambda self, e, n, s: s.is_there(e, n) and n.offers(s.task)),
    ),
    RuleMutant(
        "what opens a way is not tried",
        ("queue", 23),
        Races,
        "_try_first",
        _unless(lambda self, e, n, s: s.is_there(e, n) and not n.offers(s.task)),
    ),
    RuleMutant(
        "what stood there is tried, but not what it conflicts with",
        ((), 212),
        Races,
        "_try_first",
        _itself_only,
    ),
    RuleMutant("no step opens a way", ("queue", 23), Races, "_opens", lambda *_: False),
    RuleMutant("nothing comes late", ("queue", 23), Races, "_come_late", _nothing),
    RuleMutant("steps have no other ways", ("irq", 20), Races, "_open_ways", _nothing),
    RuleMutant("blocked tasks do not race", ("lock", 11), Races, "from_waiting", _nothing),
    RuleMutant("every step was closed", ("fence", 5), Stand, "is_closed_at", lambda *_: True),
    RuleMutant("no handler finds a door", ("irq", 20), Cpus, "doors", lambda *_: frozenset()),
    RuleMutant("a halt adds nothing", ("fence", 11), Choice, "add_all", _nothing),
    RuleMutant(
        "a halt is a step like others",
        ("fence", 71),
        Races,
        "from_step",
        lambda self, index, halts: _from_step(self, index, halts=False),
    ),
    RuleMutant("no branch is added", ("completion", 2), Choice, "add", _nothing),
    RuleMutant("no initial is added", ("completion", 614), Choice, "add_one", _nothing),
    RuleMutant("no sequence is asked for", ("irq", 0), Choice, "insert", lambda *_: []),
    RuleMutant("handlers start where they started", ("irq", 18), Races, "_enter_later", _nothing),
    RuleMutant(
        "the object is not watched",
        ("lock", 2),
        Watches,
        "of",
        _without(lambda number, task, runtime: number == runtime.number_of(task.obj)),
    ),
    RuleMutant("what is awaited is not watched", ("ring", 29), Watches, "of", _without(_waits_on)),
    RuleMutant(
        "a signal is not watched for",
        ("queue", 23),
        Watches,
        "of",
        _without(lambda number, task, runtime: number == runtime.number_of(task)),
    ),
    RuleMutant(
        "the clock is not watched",
        (("any", "time"), 4),
        Watches,
        "of",
        _without(lambda number, _task, runtime: number == runtime.number_of(runtime.clock)),
    ),
    RuleMutant(
        "the clock is watched as if read",
        (("any", "time"), 4),
        Watches,
        "of",
        lambda self, task, runtime: _as_read(_of(self, task, runtime)),
    ),
    RuleMutant(
        "the CPU is not watched",
        (("irq",), 2),
        Watches,
        "of",
        _without(lambda number, task, rt: number == rt.cpus.number(rt.cpus.of(task))),
    ),
    RuleMutant(
        "what a possible step would touch is not noted",
        ("ring", 202),
        Watches,
        "near",
        lambda *_: {},
    ),
    RuleMutant(
        "anything stands for anything", ("completion", 383), Choice, "covers", lambda *_: True
    ),
    RuleMutant("what could move is not tried", ("completion", 383), Races, "_go_on", _nothing),
    RuleMutant(
        "a possible step is never kept back",
        ("completion", 383),
        Choice,
        "lets_pass",
        lambda *_: True,
    ),
    RuleMutant(
        "time does not matter to a timeout",
        ("completion", 383),
        Stand,
        "timing_at",
        lambda self, _node: self.watch.firm,
    ),
    RuleMutant(
        "who is to make a step is not asked",
        ("lock", 694),
        Stand,
        "is_closed_at",
        lambda self, _node: self.guard is not None,
    ),
    RuleMutant(
        "a signal ends nothing",
        ("queue", 87),
        Stand,
        "turns_at",
        lambda self, _node: self.watch.firm,
    ),
    RuleMutant(
        "whatever sleeps stands for others", ("queue", 87), Choice, "stands_for", lambda *_: True
    ),
    RuleMutant(
        "every opener is kept back", (("any", "time"), 7), Races, "_is_kept_back", lambda *_: True
    ),
    RuleMutant(
        "every step leaves the way closed",
        (("any", "time"), 7),
        Races,
        "_leaves_closed",
        lambda *_: True,
    ),
    RuleMutant(
        "a door that closes asks for no start",
        (("irq", "completion"), 16),
        Races,
        "_enters",
        lambda self, earlier, _stand: bool(self.path[earlier].shut),
    ),
    RuleMutant("any step opens the door", ("queue", 239), Choice, "opens_door_of", lambda *_: True),
    RuleMutant(
        "each step of a task opens its door",
        (("irq", "spin"), 50),
        Choice,
        "opens_door_of",
        lambda self, ordinal: ordinal == self.ordinal,
    ),
    RuleMutant(
        "starts that are left over stay so", (("irq",), 10), Choice, "take_up_rest", _nothing
    ),
    RuleMutant(
        "whatever sleeps is strong",
        ("queue", 87),
        SourceSets,
        "_strong",
        lambda _self, sleep: frozenset(sleep),
    ),
    RuleMutant(
        "who has a CPU has every CPU", (("irq",), 26), Stand, "_is_kept_out", lambda *_: True
    ),
    RuleMutant(
        "anything stands for a start", (("irq",), 10), Choice, "_is_stood_for", lambda *_: True
    ),
)
"""All of them are noticed; `test_dpor` says so."""
