"""`dmabuf check` on C source: what is shown, written and left out."""

import json
import shutil

import pytest

from tests.audit.corpus import CASES
from tests.audit.outside.tree import plant as plant_outside
from tests.cli.command import EXAMPLE

FOLDER = "drivers/gpu/drm/toy"
KEY = "DF301:plain_run:kzalloc"


@pytest.fixture
def tree(tmp_path):
    """A kernel tree with one driver."""
    return plant(tmp_path / "tree", "df301_scheduler.c")


def plant(root, *names):
    """A tree with these cases as files of one driver."""
    (root / FOLDER).mkdir(parents=True)
    (root / "include").mkdir()
    for name in ("Kconfig", "Makefile"):
        (root / name).touch()
    for name in names:
        shutil.copy(CASES / name, root / FOLDER)
    return root


def test_check_audits_a_folder_of_c_source(run, tree):
    """Each finding has a greppable line relative to the tree; the end counts them."""
    code, out, err = run("check", tree / FOLDER, "--cache", "-")

    assert (1, "") == (code, err)
    assert f"\n{FOLDER}/df301_scheduler.c:31: deep_state(): DF301: error: " in out
    assert "4 errors (1 files, 11 functions" in out
    assert f"  key: {KEY}\n" in out


def test_check_audits_one_file(run, tree):
    """A file is named as its tree has it, wherever the command is run."""
    code, out, _err = run("check", tree / FOLDER / "df301_scheduler.c", "-q", "--cache", "-")

    assert 1 == code
    assert 4 == sum(line.startswith(f"{FOLDER}/df301_scheduler.c:") for line in out.splitlines())


def test_check_names_a_file_outside_of_a_tree_from_here(run, tmp_path, monkeypatch):
    """An editor finds it: the name begins where the command is run."""
    name = "mine/df301_scheduler.c"
    (tmp_path / "mine").mkdir()
    shutil.copy(CASES / "df301_scheduler.c", tmp_path / name)
    monkeypatch.chdir(tmp_path)

    _code, out, _err = run("check", name, "-q", "--cache", "-")

    assert 4 == sum(line.startswith(f"{name}:") for line in out.splitlines()[:-1])


def test_check_takes_source_and_designs_in_one_call(run, tree):
    """The audit comes first, then the verdicts; the worst decides the code."""
    code, out, _err = run("check", tree, EXAMPLE, "--json", "--cache", "-")
    document = json.loads(out)

    assert 1 == code
    assert ["audit", "verdict", "verdict"] == [one["kind"] for one in document["results"]]
    assert KEY in [one["key"] for one in document["results"][0]["findings"]]


def test_check_of_clean_source_ends_with_0(run, tmp_path):
    """Nothing found is said, and is a clean end."""
    root = plant(tmp_path / "tree", "df301_noise.c")

    code, out, _err = run("check", root, "--cache", "-")

    assert 0 == code
    assert "no findings" in out


def test_check_leaves_out_what_the_baseline_has(run, tree, tmp_path):
    """The output of --json is a baseline; after it nothing is new."""
    _code, document, _err = run("check", tree, "--json", "--cache", "-")
    (tmp_path / "base.json").write_text(document)

    code, out, _err = run("check", tree, "--baseline", tmp_path / "base.json", "--cache", "-")

    assert 0 == code
    assert "left out: 4 in the baseline" in out


def test_check_tells_what_is_new_in_a_second_tree(run, tree, tmp_path):
    """Lines that moved are not new; a new finding is."""
    other = plant(tmp_path / "other", "df301_flags.c")
    moved = (CASES / "df301_scheduler.c").read_text()
    (other / FOLDER / "df301_scheduler.c").write_text(f"\n\n\n{moved}")

    code, out, _err = run("check", FOLDER, "-q", "--diff", tree, other, "--cache", "-")

    assert 1 == code
    assert {"df301_flags.c"} == {
        line.split(":")[0].rpartition("/")[2] for line in out.splitlines() if ": DF" in line
    }
    assert "4 in the baseline" in out


def test_check_leaves_out_what_is_suppressed_with_a_reason(run, tree, tmp_path):
    """A star stands for anything; a suppression that matches nothing is told."""
    file = tmp_path / "left.txt"
    file.write_text("# of this driver\nDF301:plain*  # the pool cannot run dry\nDF999:x  # gone\n")

    _code, out, _err = run("check", tree, "-q", "--suppressions", file, "--cache", "-")

    assert "3 errors" in out
    assert "1 suppressed" in out
    assert "the suppression in line 3 matches nothing: DF999:x" in out


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--suppressions", "DF301:plain_run", "line 1: no reason"),
        ("--baseline", "{", "is no JSON"),
        ("--baseline", "[]", "is no document of dmabuf check --json"),
    ],
)
def test_check_refuses_lists_it_cannot_use(run, tree, tmp_path, option, text, said):
    """One line names the file and what is wrong with it."""
    file = tmp_path / "list"
    file.write_text(text)

    code, out, err = run("check", tree, option, file)

    assert (2, "") == (code, out)
    assert f"{file}: {said}" in err


def test_check_refuses_options_about_source_without_source(run):
    """--sarif says nothing about a design."""
    code, _out, err = run("check", EXAMPLE, "--sarif", "x.sarif")

    assert 2 == code
    assert "--sarif is about C source" in err


def test_check_writes_sarif_and_a_page(run, tree, tmp_path):
    """Both hold all findings, beside what is printed."""
    sarif, page = tmp_path / "x.sarif", tmp_path / "x.html"

    run("check", tree, "-q", "--sarif", sarif, "--html", page, "--cache", "-")

    assert 4 == len(json.loads(sarif.read_text())["runs"][0]["results"])
    assert 4 == page.read_text().count("<details>")


def test_check_writes_a_finding_as_a_design_that_it_confirms(run, tree, tmp_path):
    """--design prints Python that dmabuf check finds to break the same rule."""
    code, out, _err = run("check", tree, "--design", KEY, "--cache", "-")
    (tmp_path / "d.py").write_text(out)

    assert 0 == code
    code, out, _err = run("check", tmp_path / "d.py", "-q")
    assert 1 == code
    assert "VIOLATED DF301" in out


def test_check_names_the_keys_where_a_design_is_one_of_several(run, tree):
    """A beginning of a key is enough where it is the only one."""
    several, _out, told = run("check", tree, "--design", "DF301", "--cache", "-")
    none, _out, missing = run("check", tree, "--design", "DF999", "--cache", "-")

    assert (2, 2) == (several, none)
    assert KEY in told
    assert "no finding has the key DF999" in missing


def test_check_that_is_interrupted_is_no_pass(run, tree, monkeypatch):
    """Ctrl-C in an audit ends with 130, and what was not looked at is told."""

    def interrupted(*_anything):
        raise KeyboardInterrupt

    monkeypatch.setattr("dmabuf.audit.checks.audit.audit", interrupted)

    code, out, _err = run("check", tree, "--json", "--cache", "-")

    assert 130 == code
    assert ["interrupted"] == [one["limit"] for one in json.loads(out)["results"]]


def test_check_looks_through_the_rest_of_the_tree(run, tmp_path):
    """With --outside a way goes on where the audited folders end, and the end says how far."""
    tree = plant_outside(tmp_path / "tree")
    (tree / "Kconfig").touch()
    (tree / "Makefile").touch()
    arguments = ("check", tree / FOLDER, "--level", "error", "--cache", tmp_path / "cache")

    _code, inside, _err = run(*arguments)
    code, out, err = run(*arguments, "--outside")

    assert "lib/copy.c" not in inside
    assert (1, "") == (code, err)
    assert "\nlib/copy.c:8: kmemdup_it(): DF301: error: kmalloc() with GFP_KERNEL" in out
    assert "toy_run() calls power_name [outside]" in out
    assert "outside: 3 functions are called, 2 of them do something; by 2 files of" in out
