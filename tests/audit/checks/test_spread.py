"""Entry points that are walked ahead, by whomever."""

import os
import subprocess
import sys
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import pytest

from dmabuf.audit.checks.audit import audit
from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.checks.spread import Recipe, Spread
from dmabuf.audit.front.gather import cache_of, gather
from dmabuf.audit.kept.last import LastAudit
from dmabuf.audit.kept.names import Numbers, meets, renumbered
from tests.audit.kept.edits import FOLDERS, plant


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The made-up tree with a cache of its facts, its findings, and how many answers they take."""
    root, keep = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("keep")
    plant(root)
    checked, last, _spread = audited(root, keep, jobs=1)
    return root, keep, checked, last.asked


def audited(root, keep, **how):
    """What an audit says, what it kept, and who walked ahead of it."""
    shelf = gather(root, FOLDERS, jobs=1, cache=cache_of(root, keep)).files
    last = LastAudit(None)
    program = last.link(shelf)
    spread = Spread(last, program, Recipe(root, FOLDERS, keep, None), few=1, **how)
    checked = audit(program, BuildFiles(str(root)), keeper=last.keeper, ahead=spread)
    return checked, last, spread


class Linking(Executor):
    """Its workers have nothing of the audit's process: what they are given is pickled there."""

    def submit(self, fn, /, *args, **kwargs):
        import pickle

        from dmabuf.audit.checks import spread

        given = pickle.dumps((fn, args))
        here = dict(spread._HERE)
        spread._HERE.clear()
        future = Future()
        try:
            call, arguments = pickle.loads(given)
            future.set_result(call(*arguments))
        except Exception as error:  # noqa: BLE001 - it is the future's
            future.set_exception(error)
        finally:
            spread._HERE.clear()
            spread._HERE.update(here)
        return future


class Dying(Executor):
    """Its workers die."""

    def submit(self, fn, /, *args, **kwargs):
        raise BrokenExecutor("gone")


@pytest.mark.slow
def test_forked_processes_find_the_same(tree):
    """Two processes that are forked from one without threads find what one process finds."""
    root, keep, checked, _asked = tree
    code = f"""
from pathlib import Path
from tests.audit.checks.test_spread import audited
found, last, spread = audited(Path({str(root)!r}), Path({str(keep)!r}), jobs=2)
print(repr(found), spread.notes, spread.batches > 1 and last.taken > 1, spread.forked)
"""

    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )

    assert ("", f"{checked!r} [] True True\n") == (said.stderr, said.stdout)


@pytest.mark.parametrize("make", [lambda: ThreadPoolExecutor(2), Linking], ids=["threads", "bare"])
def test_any_executor_finds_the_same(tree, make):
    """Threads, and processes that have to link the files again, find what one process finds."""
    root, keep, checked, _asked = tree

    with make() as executor:
        found, _last, spread = audited(root, keep, executor=executor)

    assert checked == found
    assert [] == spread.notes


def test_answers_are_taken(tree):
    """What the audit asks about entry points was found out ahead of it."""
    root, keep, _checked, asked = tree

    with ThreadPoolExecutor(1) as executor:
        _found, last, _spread = audited(root, keep, executor=executor)

    assert asked == last.asked
    assert last.taken > asked * 0.4


def test_lost_work_is_told_and_done(tree):
    """Where all workers die one sentence says so, and the findings are those of one process."""
    root, keep, checked, _asked = tree

    found, _last, spread = audited(root, keep, executor=Dying())

    assert checked == found
    assert ["BrokenExecutor: gone" in one for one in spread.notes] == [True]


def test_changed_tree_is_refused(tree, tmp_path):
    """A worker that links other files than the audit gives no answers."""
    checked = tree[2]
    root = tmp_path / "tree"
    plant(root)
    first = min((root / FOLDERS[0]).rglob("*.c"))

    class Changing(Linking):
        def submit(self, fn, /, *args, **kwargs):
            os.truncate(first, 0)
            return super().submit(fn, *args, **kwargs)

    found, _last, spread = audited(root, tmp_path / "keep", executor=Changing())

    assert checked == found
    assert ["files have changed" in one for one in spread.notes] == [True]


@pytest.mark.parametrize("many", [3, 900], ids=["numbers", "bits"])
def test_names_of_another_process_are_renumbered(many):
    """A set of names of a worker is the same set with the audit's numbers."""
    common = [f"name{number}" for number in range(1000)]
    audits, workers = Numbers([*common, "first", "second"]), Numbers(common)
    packed = workers.pack([*common[:many], "other", "second"])
    of = audits.of
    other = [of.setdefault(name, len(of)) for name in list(workers.of)[1000:]]

    moved = renumbered(packed, 1000, other)

    held = {name for name, number in of.items() if meets(moved, frozenset({number}))}
    assert {*common[:many], "other", "second"} == held
