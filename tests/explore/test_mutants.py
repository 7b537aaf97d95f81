"""The campaign of mutants: it leaves no operation out, and it can tell."""

from dmabuf.rt.api import OPS
from tests.explore.mutants import Entry, fill_alphabet, kills, weakenings
from tests.explore.nightly import GENERATORS


def test_mutants_leave_no_operation_out():
    """Each operation of the alphabet is weakened in some way, each way once."""
    fill_alphabet()

    ways = {name: [how for how, _touches in weakenings(op)] for name, op in OPS.items()}

    assert all(ways.values())
    assert all(len(hows) == len(set(hows)) for hows in ways.values())


def test_mutants_are_killed_where_it_shows_and_only_there():
    """A program notices that a step it makes hides what it changes; an honest one it lets pass."""
    entry = Entry("wait_set 1", lambda: GENERATORS["wait_set"](1), frozenset({"wait_set.push"}))
    push = OPS["wait_set.push"]

    honest = kills(entry, push, push.touches or (lambda obj, _task: ((obj, push.access),)))
    weakened = [how for how, touches in weakenings(push) if kills(entry, push, touches)]

    assert not honest
    assert "sees nothing" in weakened
