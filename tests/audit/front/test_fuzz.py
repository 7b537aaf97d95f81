"""The parser under C that nobody would write."""

import random

import pytest

from tests.audit.fuzz import SNIPPET, check, mutated


@pytest.mark.parametrize("seed", range(4))
def test_mutated_source_is_survived(seed):
    """Nothing is raised, nothing hangs, structure is closed as it was opened."""
    chance = random.Random(seed)

    assert [check(mutated(SNIPPET, chance)) for _ in range(12)] == [""] * 12


def test_random_bytes_are_survived():
    """What is no C at all is no facts."""
    chance = random.Random(0)

    assert [check(chance.randbytes(3000)) for _ in range(10)] == [""] * 10


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 5000,
        b"#if A\n" * 3000,
        b"#endif\n" * 3000,
        b"#define A(" * 500,
        b'"' * 5001,
        b"'" * 5001,
        b"/*" * 5000,
        b"\\\n" * 5000,
        b"(" * 5000,
        b")" * 5000,
        b"{" * 5000,
        b"#define A(x) b(x) c; { d(x);\n" * 10,
        b"#define A(x) @ ; { if (x)\n" * 10,
        b"}" * 5000,
        b"struct {" * 2000,
        b"int f(void) {" * 2000,
        b"a" * 200_000,
        b"int x = " + b"1+" * 30_000 + b"1;",
        b"int x = " + b"9" * 30_000 + b";",
        b"*" * 30_000,
        b"a(" * 20_000,
        b"typedef " * 20_000,
        b"f(void){" + b"x=a?" * 5000 + b"}",
        b"int f(int a" + b", int a" * 5000 + b") { }",
        b"f()\n#if A",
    ],
    ids=range(26),
)
def test_tricks_are_survived(text):
    """Much of one thing takes no long time, and no deep stack."""
    assert check(text) == ""


def test_nul_bytes_and_latin_1_are_told():
    """Odd bytes are read as far as they can be, and said in one sentence."""
    from tests.audit.front.snippets import extract

    found = extract("x.c", b"/* caf\xe9 */ int f(void)\0 { g(); }\n")

    assert found.trouble == "1 NUL bytes were read as blanks; not UTF-8, read as Latin-1"
    assert [one.name for one in found.functions] == ["f"]
