"""What is known of a call once for all walks that come to it."""

from dmabuf.audit.ways.ways import Ways
from tests.audit.snippets import allocations, program_of, ways_from


def test_functions_of_one_text_call_those_of_their_own_files():
    """Two functions with the same body in two files each reach their own static function."""
    one = "static void inner(void) { kmalloc(1, GFP_KERNEL); }\nvoid root(void) { inner(); }"
    other = "static void inner(void) { }\nvoid second(void) { inner(); }"

    program = program_of(one, toy__other=other)

    ways = Ways(program)
    found = [len(ways.of(program.names.routines[name][0])) for name in ("root", "second")]
    assert [1, 0] == found


def test_macro_in_one_function_is_filled_for_each_of_its_places():
    """Of one macro called twice in a function each place has its own arguments."""
    text = """
    #define GROW(flags) do { if (flags & 1) kmalloc(1, GFP_KERNEL); } while (0)
    void root(void) { GROW(0); }
    void both(void) { GROW(0); GROW(1); }
    """

    found = [allocations(text, "root"), allocations(text, "both")]

    assert [[], [("kmalloc",)]] == found


def test_macro_is_walked_anew_in_each_context_of_its_function():
    """What is known of a parameter decides the macro's body for each caller."""
    text = """
    #define GROW(flags) do { if (flags) kmalloc(1, GFP_KERNEL); } while (0)
    static void inner(int flags) { GROW(flags); }
    void never(void) { inner(0); }
    void always(void) { inner(1); }
    """

    found = [bool(ways_from(program_of(text), name)) for name in ("never", "always")]

    assert [False, True] == found
