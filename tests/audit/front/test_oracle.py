"""Two parsers, one source."""

import pytest

from tests.audit.oracle import Outcome, compare

SOURCE = b"""
static int f(struct foo *a, u32 b)
{
	struct bar *c = g(a->x, h(b)), *d;
	int i;

	for (i = 0; i < n(c); i++)
		if (c->ops->run(c, &i) && (k(i) || l()))
			return m(({ o(); p; }));
	switch (q(i)) {
	case 1:
		do { r(sizeof(int)); } while (s(d) ? t() : u());
		goto out;
	}
out:
	return v((u8)w(a), (struct foo) { .x = y(), });
}

static const struct ops o = { .run = f };

void z(void)
{
	f(0, 1);
}
"""


def test_both_parsers_find_the_same():
    """tree-sitter, which is not ours, finds the functions and calls that we find."""
    pytest.importorskip("tree_sitter_c", reason="tree-sitter-c is the second opinion")
    out = Outcome()

    compare("x.c", SOURCE, out)

    assert (out.functions, out.not_asked) == (2, 0)
    assert out.calls == 17
    assert (out.missing, out.lost, out.extra) == ([], [], [])
