"""Kconfig and Makefiles: what an option guarantees, and what builds a file."""

import pytest

from dmabuf.audit.checks.kconfig import Options, built_by, parse_kconfig, requires

TEXT = """\
menuconfig TOP
    bool "top"
    select BASE
if TOP
config IN_BLOCK
    bool "in a block"
endif
menu "menu"
    depends on BASE
config IN_MENU
    bool "in a menu"
endmenu
config LONG
    depends on A && \\
        BASE
    help
      select BASE
config AFTER # said
    select OTHER if X
"""


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("A", True),
        ("A && X", True),
        ("X && (Y || A)", False),
        ("X && (A || B)", True),
        ("!A", False),
        ("A = y", True),
        ("A = n", False),
        ("A != n", True),
        ("(A", True),
        ("", False),
        ("&& ||", False),
    ],
)
def test_requires_is_true_only_where_a_symbol_must_be_on(expression, holds):
    """All sides of an `or`, one side of an `and`, and no negation."""
    assert holds is requires(expression, {"A", "B"})


def test_deep_parentheses_are_given_up():
    """Input cannot drive the reader into the ground."""
    assert not requires("(" * 5000 + "A" + ")" * 5000, {"A"})


def test_options_know_what_guarantees_a_symbol():
    """By a select, an `if` block, a menu, a line that goes on; not by a help text."""
    options = Options(parse_kconfig("Kconfig", TEXT))

    assert {"BASE", "TOP", "IN_BLOCK", "IN_MENU", "LONG"} == options.guarantee("BASE")


def test_option_has_the_line_of_its_config():
    """Lines that go on count as many as they are."""
    found = {one.name: one.line for one in parse_kconfig("Kconfig", TEXT)}

    assert (1, 18) == (found["TOP"], found["AFTER"])


def test_file_is_built_by_all_options_on_its_way():
    """An object of a composite needs its own option, that of the composite, and its folder's."""
    makefiles = {
        "d/Makefile": "obj-$(CONFIG_FOLDER) += toy/\n",
        "d/toy/Makefile": "toy-y := main.o\ntoy-$(CONFIG_PART) += sub/part.o\n"
        "obj-$(CONFIG_TOY) += toy.o\nobj-y += always.o\n",
    }

    assert [{"TOY"}] == built_by("d/toy/main.c", makefiles)
    assert [{"PART", "TOY"}] == built_by("d/toy/sub/part.c", makefiles)
    assert [{"FOLDER"}] == built_by("d/toy/always.c", makefiles)
    assert [] == built_by("d/toy/unknown.c", makefiles)


def test_makefile_that_builds_itself_ends():
    """A composite that is part of itself is looked at once."""
    assert [] == built_by("d/a.c", {"d/Makefile": "a-y := b.o\nb-y := a.o\n"})
