"""What a person and a program get to see."""

import json
import re
import threading

from dmabuf.pywatch import watch
from dmabuf.report.finding import Finding
from dmabuf.report.html import html_page
from dmabuf.report.json import check_document
from tests.pywatch.helpers import in_turn, takes


def _watched():
    """A wait under a lock that its setter holds, and an order in one thread."""
    with watch() as watcher:
        lock = threading.Lock()
        done = threading.Event()
        other = watcher.lock("other")

        def setter():
            with lock:
                done.set()

        def waiter():
            with lock:
                done.wait()

        in_turn(setter, waiter)
        takes(lock, other)()
        takes(other, lock)()
    return watcher


def _lines(watcher):
    """The report, with this file's name alone where a place is told."""
    return re.sub(r"[^\s(]*/(?=test_report\.py)", "", watcher.text())


def test_the_text_says_who_where_and_what_to_do():
    """A screen for each finding: the sentence, both stacks, the remedy."""
    text = _lines(_watched())

    first = _watched.__code__.co_firstlineno
    assert text.startswith("watched program: 1 certain, 1 suspected\n\n  DF001 ")
    assert f"setter holds lock (Lock, test_report.py:{first + 3}) when it sets done (Event," in text
    assert "has to set done (Event," in text
    assert f"took lock (Lock, test_report.py:{first + 3}) at test_report.py:{first + 12}" in text
    assert "suspected: MainThread takes other while it holds lock" in " ".join(text.split())
    assert 2 == text.count("  remedy: ")


def test_the_setters_place_is_where_it_takes_the_lock():
    """There it would stand: not at the set, which it never comes to."""
    (finding,) = _watched().certain

    first = _watched.__code__.co_firstlineno
    places = {wait.task: wait.place.line - first for wait in finding.waits}
    assert {"setter": 8, "waiter": 13} == places


def test_findings_go_through_json():
    """And come back as they were."""
    verdict = _watched().verdict()

    document = check_document([verdict], version="0", exit_code=int(verdict.exit_code))
    (result,) = json.loads(json.dumps(document))["results"]

    assert 1 == result["exit_code"]
    assert ["DF001", "DF001"] == [one["rule"]["id"] for one in result["findings"]]
    again = [Finding.from_data(json.loads(json.dumps(one.to_data()))) for one in verdict.findings]
    assert list(verdict.findings) == again


def test_findings_make_a_page():
    """With a graph of who waits for whom."""
    page = html_page([_watched().verdict()])

    assert 2 == page.count("<h3>Who waits for whom</h3>")
    assert "has to set done (Event," in page


def test_a_run_without_findings_is_no_proof():
    """Nothing was found in this run; that is all it says."""
    with watch() as watcher:
        threading.Lock()

    assert "watched program: nothing found in this run" == watcher.text()
    assert "INCONCLUSIVE" == watcher.verdict().status.value


def test_names_come_from_the_line_that_makes_the_lock():
    """Attributes, tuples, annotations; what has no name is known by its line."""

    class Store:
        def __init__(self):
            self.lock = threading.Lock()
            self.one, self.other = threading.Lock(), threading.RLock()
            local: object = threading.Lock()
            self.rest = [local, *(threading.Lock() for _ in "x")]

    with watch() as watcher:
        store = Store()
        locks = [store.lock, store.one, store.other, *store.rest]
        for lock in locks[1:]:
            in_turn(takes(store.lock, lock), takes(lock, store.lock))

    names = [finding.waits[0].target.split(",")[0] for finding in watcher.certain]
    line = Store.__init__.__code__.co_firstlineno + 4
    expected = ["self.one (Lock", "self.other (RLock", "local (Lock", "self.rest (Lock"]
    assert expected == names
    assert f"test_report.py:{line}" in watcher.certain[-1].message
