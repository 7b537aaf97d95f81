"""The rows are shown by tests, and what differs is explained."""

import ast
from pathlib import Path

from dmabuf.differences import DIFFERENCES, Kind
from tests.agreement.rows import ROWS, By, open_rows

FOLDER = Path(__file__).parent


def _marks():
    """(row, test, is `system` asked for) of every mark in this folder."""
    for path in FOLDER.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "row":
                        has_system = any(one.arg == "system" for one in node.args.args)
                        for one in mark.args:
                            yield ast.literal_eval(one), node.name, has_system


def test_every_row_has_a_test():
    """A row without a test is a sentence that nobody checks."""
    shown = {one for one, _, _ in _marks()}

    assert set() == set(ROWS) - shown


def test_every_test_with_a_system_names_its_rows():
    """No test of behaviour outside the table."""
    nameless = []
    for path in FOLDER.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = [getattr(getattr(m, "func", m), "id", "") for m in node.decorator_list]
                if any(one.arg == "system" for one in node.args.args) and "row" not in marks:
                    nameless.append(f"{path.name}: {node.name}")

    assert [] == nameless


def test_marks_stand_above_tests_with_a_system():
    """A row is shown by something that a system answers."""
    assert [] == [(one, name) for one, name, has_system in _marks() if not has_system]


def test_rows_that_differ_name_an_entry():
    """A difference is between kernels after 6.12, or between the kernel and us."""
    named = {one.difference for one in ROWS.values()} - {""}
    allowed = {
        one.symbol for one in DIFFERENCES if one.kind is Kind.OTHERWISE or one.after == "6.12"
    }

    assert set() == named - allowed


def test_rows_that_differ_say_both_answers():
    """Their tests go through `differing`, which fails when an entry is no longer true."""
    texts = "".join(path.read_text() for path in FOLDER.glob("test_*.py"))
    differ = {key for key, one in ROWS.items() if one.difference and key != "A6.08"}

    assert set() == {
        key for key in differ if f'"{key}",\n' not in texts and f'"{key}", ' not in texts
    }


def test_files_rows_are_open():
    """What `files/` has to bring is listed, each with its sentence."""
    assert all(one.by is By.FILES and one.text for one in open_rows())
    assert 20 < len(open_rows())


def test_sentences_are_unique():
    """One sentence, one ID."""
    assert len({one.text for one in ROWS.values()}) == len(ROWS)
