"""Names are taken down for whoever asks, whoever asked before."""

import pytest

from dmabuf.audit.front.extract import extract
from dmabuf.audit.program.asked import Asked, Memo, any_field
from dmabuf.audit.program.program import Program


@pytest.fixture
def asked():
    """Where names are taken down."""
    return Asked()


def names_of(asked, ask):
    """The names that a question asks."""
    before = asked.begin()
    ask()
    return set(asked.end(before))


def test_answer_of_a_memo_is_asked_again(asked):
    """Who is given an answer that is known already has asked what was asked for it."""
    memo = Memo(asked)

    def ask():
        return memo.get("it", lambda: asked.now.add("name"), None)

    assert {"name"} == names_of(asked, ask)
    assert {"name"} == names_of(asked, ask)


TABLES = b"""
struct ops { void (*run)(void); };
static void go(void) { }
static const struct ops toy_ops = { .run = go };
"""


@pytest.mark.parametrize(
    ("struct", "name"), [("struct ops", "struct ops.run"), ("", any_field("run"))]
)
def test_field_is_asked_with_its_struct(struct, name):
    """A field of a struct is one name, that of a struct that is not known another one."""
    program = Program([extract("drivers/gpu/drm/toy/toy.c", TABLES)])

    names = names_of(program.asked, lambda: program._candidates(struct, "run", ""))

    assert name in names


def test_candidates_that_are_known_are_asked_again():
    """The second who asks for the functions of a field has asked for it as well."""
    program = Program([extract("drivers/gpu/drm/toy/toy.c", TABLES)])
    program._candidates("struct ops", "run", "")

    names = names_of(program.asked, lambda: program._candidates("struct ops", "run", ""))

    assert "struct ops.run" in names
