"""Which line of a design a dumped stack blames."""

import os
from pathlib import Path

import pytest

import dmabuf
from dmabuf.explore.foreign.stacks import culprit
from dmabuf.report.finding import Place

PACKAGE = Path(dmabuf.__file__).parent
STDLIB = Path(os.__file__).parent
DESIGN = "/d/f.py"


def stack(*frames: tuple[object, str]) -> str:
    """One thread as faulthandler writes it, innermost frame first, with lines 1, 2, ..."""
    lines = [f'  File "{file}", line {n} in {name}' for n, (file, name) in enumerate(frames, 1)]
    return "\n".join(["Thread 0x1 (most recent call first):", *lines, ""])


SPINS = stack((DESIGN, "spin"), (PACKAGE / "rt" / "life.py", "main"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(SPINS, 1, id="own line"),
        pytest.param(stack((STDLIB / "queue.py", "get"), (DESIGN, "f")), 2, id="library of Python"),
        pytest.param(
            stack((STDLIB / "site-packages" / "x.py", "get"), (DESIGN, "f")), 2, id="installed"
        ),
        pytest.param(stack((PACKAGE / "sync" / "mutex.py", "name"), (DESIGN, "f")), 2, id="ours"),
        pytest.param(stack((PACKAGE / "explore" / "guards.py", "g"), (DESIGN, "f")), 2, id="guard"),
        pytest.param(stack(("/d/other.py", "helper"), (DESIGN, "f")), 1, id="helper"),
    ],
)
def test_culprit_is_the_innermost_line_of_the_design(text, line):
    """What a design calls is its own doing; the line blamed is the design's."""
    place = culprit(text, DESIGN)

    assert place is not None
    assert line == place.line


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(stack((PACKAGE / "explore" / "shrink.py", "search")), id="analysis"),
        pytest.param(
            stack(
                (PACKAGE / "explore" / "shrink.py", "search"),
                (PACKAGE / "rt" / "tasks.py", "step"),
                (PACKAGE / "sync" / "mutex.py", "lock"),
                (DESIGN, "f"),
            ),
            id="search inside a step",
        ),
        pytest.param(
            stack((PACKAGE / "rt" / "carriers.py", "switch"), (DESIGN, "f")), id="waits for baton"
        ),
        pytest.param(stack((STDLIB / "threading.py", "wait")), id="heartbeat"),
    ],
)
def test_culprit_is_nobody_while_the_explorer_works(text):
    """The explorer's computing and parked tasks are not blamed on the design."""
    assert culprit(text, DESIGN) is None


def test_culprit_is_found_among_threads():
    """Of several threads the one that runs foreign code is blamed."""
    parked = stack((PACKAGE / "rt" / "carriers.py", "switch"), (DESIGN, "parked"))

    assert Place(DESIGN, 1, "spin") == culprit(parked + SPINS, DESIGN)


def test_culprit_has_the_name_that_the_file_really_has():
    """faulthandler writes names in ASCII; the place has the file's own."""
    path = "/d/gerät.py"

    assert Place(path, 1, "f") == culprit(stack((r"/d/ger\xe4t.py", "f")), path)


def test_culprit_may_be_a_function_of_pythons_own():
    """A task that is nothing but such a function is blamed with its line."""
    text = stack((STDLIB / "threading.py", "wait"), (PACKAGE / "rt" / "life.py", "main"))

    assert Place(str(STDLIB / "threading.py"), 1, "wait") == culprit(text, DESIGN)
