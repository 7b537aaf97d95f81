"""What of the last audit holds in the next one."""

import pytest

from tests.audit.kept.edits import CASES, FOLDERS, HEADER, found_in, plant, wrong_after_edits

ONE = f"{FOLDERS[0]}/df301_flags/df301_flags.c"


@pytest.fixture
def root(tmp_path):
    """The made-up tree."""
    plant(tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def keep(tmp_path):
    """The folder of the cache."""
    return tmp_path / "keep"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "share"), [(0, 8), (1, 0)])
def test_findings_are_those_of_a_cold_audit(root, keep, monkeypatch, seed, share):
    """After random edits an audit says byte for byte what it says without anything kept."""
    monkeypatch.setattr("dmabuf.audit.kept.record._SHARE", share)

    assert "" == wrong_after_edits(root, keep, seed, 3)


@pytest.mark.slow
def test_unchanged_tree_is_not_walked(root, keep):
    """The second audit recalls every answer, links no file, and says the same."""
    first, _ = found_in(root, FOLDERS, keep)

    second, last = found_in(root, FOLDERS, keep)

    assert first == second
    assert (0, last.asked) == (last.linked, last.recalled)


@pytest.mark.slow
def test_only_what_asked_is_found_out_again(root, keep):
    """A changed function costs the answers that asked for it, and no others."""
    found_in(root, FOLDERS, keep)
    (root / ONE).write_text((root / ONE).read_text() + "\nstatic int quite_another;\n")

    _, last = found_in(root, FOLDERS, keep)

    assert 1 == last.linked
    assert last.recalled > last.asked * 0.8


@pytest.mark.slow
def test_lines_above_cost_nothing(root, keep):
    """What only moves is not found out again, and is told where it is now."""
    first, _ = found_in(root, FOLDERS, keep)
    (root / ONE).write_text("/* one */\n/* two */\n" + (root / ONE).read_text())

    second, last = found_in(root, FOLDERS, keep)

    assert last.asked == last.recalled
    assert second == found_in(root, FOLDERS, None)[0]
    assert second != first


@pytest.mark.slow
def test_function_more_costs_nothing(root, keep):
    """Functions are told by their names, so one between others changes nothing about these."""
    found_in(root, FOLDERS, keep)
    first = "/* found: through a macro of the driver */"
    more = "static int quite_another(void) { return 1; }\n"
    (root / ONE).write_text((root / ONE).read_text().replace(first, more + first))

    second, last = found_in(root, FOLDERS, keep)

    assert last.asked == last.recalled
    assert second == found_in(root, FOLDERS, None)[0]


VARIANTS = """
#ifdef CONFIG_64BIT
static void toy_take(void) { vmalloc(8); }
#else
static void toy_take(void) { kmalloc(8, GFP_KERNEL); }
#endif
void toy_section(void)
{
	bool cookie = dma_fence_begin_signalling();
	toy_take();
	dma_fence_end_signalling(cookie);
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("before", ["#else", "{ kmalloc(8, GFP_KERNEL)", "void toy_section"])
def test_functions_of_one_name_are_told_where_they_are(root, keep, before):
    """Of two in one file each is told in its own lines, whichever has moved."""
    path = root / FOLDERS[0] / "variants.c"
    path.write_text(VARIANTS)
    found_in(root, FOLDERS, keep)
    path.write_text(path.read_text().replace(before, "\n" + before))

    second, _ = found_in(root, FOLDERS, keep)

    assert second == found_in(root, FOLDERS, None)[0]


@pytest.mark.slow
def test_what_changed_since_another_audit_is_not_taken(root, keep):
    """The second file counts with the first one that it belongs to only."""
    found_in(root, FOLDERS, keep)
    (root / ONE).write_text((root / ONE).read_text() + "\nstatic int quite_another;\n")
    found_in(root, FOLDERS, keep)
    (more,) = keep.glob("*.audit.more")
    (whole,) = keep.glob("*.audit")
    data = more.read_bytes()
    whole.unlink()
    first, _ = found_in(root, FOLDERS, keep)
    more.write_bytes(data)

    second, last = found_in(root, FOLDERS, keep)

    assert first == second
    assert (0, last.asked, []) == (last.linked, last.recalled, last.notes)


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 5000])
def test_cut_file_is_survived_and_told(root, keep, size):
    """What is left of a file is not taken, one note says so, and the findings are the same."""
    first, _ = found_in(root, FOLDERS, keep)
    (kept,) = keep.glob("*.audit")
    kept.write_bytes(kept.read_bytes()[:size])

    second, last = found_in(root, FOLDERS, keep)

    assert first == second
    assert [True] == ["damaged" in one for one in last.notes]


@pytest.mark.slow
def test_header_counts_for_who_includes_it(root, keep):
    """A macro of a header that is changed changes the findings of a file that is not."""
    path = root / FOLDERS[0] / "df301_scheduler/df301_scheduler.c"
    path.write_text(path.read_text().replace("GFP_KERNEL", "TOY_GFP"))
    first, _ = found_in(root, FOLDERS, keep)
    header = root / HEADER
    header.write_text(header.read_text().replace("GFP_KERNEL | ", "GFP_ATOMIC | "))

    second, _ = found_in(root, FOLDERS, keep)

    assert second == found_in(root, FOLDERS, None)[0]
    assert second != first


@pytest.mark.slow
def test_excuse_ends_with_what_speaks_for_it(root, keep):
    """A way that stays the same is told as it is once its function no longer excuses it."""
    path = root / FOLDERS[0] / "excused.c"
    path.write_text((CASES / "df301_made_once.c").read_text())
    first, _ = found_in(root, FOLDERS, keep)
    path.write_text(path.read_text().replace("hive = gpu->hive;", "gpu->hive = NULL;"))

    second, _ = found_in(root, FOLDERS, keep)

    assert second == found_in(root, FOLDERS, None)[0]
    assert second != first
