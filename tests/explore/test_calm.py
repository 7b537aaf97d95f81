"""Rest that is told to be calm without a snapshot, against the snapshot."""

from dmabuf.explore import search as searching
from dmabuf.explore.calm import is_calm
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.snapshot import take_snapshot
from dmabuf.rules import RULES


def test_calm_rest_is_never_bad(monkeypatch):
    """Where rest is called calm the snapshot, had it been taken, is of nothing bad."""
    seen = {(False, False): 0, (False, True): 0, (True, False): 0, (True, True): 0}

    def compared(rt):
        everybody = {rt.number_of(obj): {-1, -2} for obj in rt.objects}
        is_bad = take_snapshot(rt, rt.enabled(), everybody).is_bad
        seen[is_calm(rt), is_bad] += 1
        return is_calm(rt)

    monkeypatch.setattr(searching, "is_calm", compared)
    for rule in list(RULES.values())[::3]:
        for design in (rule.counterexample, rule.fix):
            Search(design, Budget(executions=10)).run()

    assert 0 == seen[True, True]
    assert seen[True, False] > seen[False, False]
    assert seen[False, True]
