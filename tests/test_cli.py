"""The command line: what it prints where, and what it ends with."""

import ast
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from dmabuf import __version__, cli
from dmabuf.codes import CODES
from dmabuf.core.compiled import is_compiled
from dmabuf.explore.budget import parse_budget
from dmabuf.explore.search import Budget
from dmabuf.rules import RuleRun

ROOT = Path(__file__).resolve().parents[1]
BAD = Path("tests/explore/bad")
EXAMPLE = "examples/lock_across_wait.py"


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs a command line in this process: (exit code, stdout, stderr), no traceback in them."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "DMABUF_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def start(*arguments: object, **how) -> subprocess.Popen:
    """The command as a process of its own."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **how.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    command = [sys.executable, "-m", "dmabuf", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        text=True,
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 - starts no thread
        **pipes,
    )


def _hear_interrupts():
    """A shell's background job, as which the tests may run, ignores them and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# -- check: results --------------------------------------------------------------------------------


def test_check_reports_findings_and_proofs(run):
    """Each design of a file has its report on stdout, in order; the worst decides the code."""
    code, out, err = run("check", EXAMPLE)

    assert 1 == code
    assert "" == err
    assert out.startswith(f"{EXAMPLE}::broken: VIOLATED\n\n  DF202 ")
    assert f"\n{EXAMPLE}::fixed: PROVED\n" in out
    assert out.endswith("\n2 designs: 1 PROVED, 1 VIOLATED\n")


def test_check_writes_a_page_and_a_trace(run, tmp_path):
    """--html and --trace write the same results to files, beside what is printed."""
    page, trace = tmp_path / "page.html", tmp_path / "trace.json"

    code, out, err = run("check", EXAMPLE, "-q", "--html", page, "--trace", trace)

    assert (1, "") == (code, err)
    assert 2 == len(out.splitlines())
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert f"{EXAMPLE}::broken" in text
    assert f"{EXAMPLE}::fixed" in text
    assert any(event["ph"] == "s" for event in json.loads(trace.read_text())["traceEvents"])


@pytest.mark.parametrize("option", ["--html", "--trace"])
def test_check_refuses_a_file_it_cannot_write(run, tmp_path, option):
    """Before the search where that can be known, after it where not; in one line."""
    missing, folder, full = tmp_path / "no" / "x", tmp_path, "/dev/full"

    for file, said in ((missing, "there is no folder"), (folder, "it is a folder")):
        code, out, err = run("check", EXAMPLE, option, file)
        assert (2, "") == (code, out)
        assert said in err
    code, out, err = run("check", EXAMPLE, "-q", option, full)
    assert 2 == code
    assert f"cannot write {full}: No space left on device" in err
    assert 2 == len(out.splitlines())


def test_check_replay_line_replays(run):
    """The printed replay command shows the same finding and schedule, also to a JSON reader."""
    _code, out, _err = run("check", f"{EXAMPLE}::broken")
    command = re.search(r"replay: dmabuf (.*)", out)[1].split()

    code, again, _err = run(*command)
    _code, data, _err = run(*command, "--json")

    assert 1 == code
    assert again.split("remedy")[0] == out.replace(" (the fewest possible)", "").split("remedy")[0]
    assert "this one schedule was run" in again
    assert [" ".join(["dmabuf", *command])] == [
        " ".join(finding["replay"]) for finding in json.loads(data)["results"][0]["findings"]
    ]


def test_check_clean_design_exits_0(run):
    """A proof alone is exit code 0."""
    code, out, err = run("check", f"{EXAMPLE}::fixed")

    assert (0, "") == (code, err)
    assert out.startswith(f"{EXAMPLE}::fixed: PROVED")


def test_check_quiet_is_one_line_per_design(run):
    """With --quiet each result is one line."""
    _code, out, err = run("check", "examples", "--quiet")

    assert "" == err
    assert [True] * 2 == [line.startswith(f"{EXAMPLE}::") for line in out.splitlines()[:2]]


def test_check_json_is_one_document_with_the_schema(run):
    """With --json stdout is one document; troubles are in it and on no other stream."""
    code, out, err = run("check", EXAMPLE, "nowhere.py", "--json")

    document = json.loads(out)
    assert (2, "") == (code, err)
    assert "dmabuf.check/1" == document["schema"]
    assert [("verdict", 1), ("verdict", 0), ("trouble", 2)] == [
        (result["kind"], result["exit_code"]) for result in document["results"]
    ]


@pytest.mark.slow
def test_check_budget_that_ends_is_exit_4(run):
    """A budget that runs out is undecided, by time and by executions."""
    code, out, _err = run("check", BAD / "loops.py", "--budget", "300ms")
    assert 4 == code
    assert "INCONCLUSIVE" in out
    assert "limit reached: 0.3 s" in " ".join(out.split())

    code, out, _err = run("check", BAD / "loops.py", "--budget", "20x")
    assert 4 == code
    assert "limit reached: 20 executions" in " ".join(out.split())


def test_check_seed_and_carrier_keep_the_verdict(run):
    """Another order, and another carrier, come to the same conclusion."""
    for how in (("--seed", "7"), ("--carrier", "threads"), ("--carrier", "greenlet")):
        code, out, _err = run("check", EXAMPLE, "-q", *how)

        assert 1 == code
        assert ["VIOLATED", "PROVED"] == re.findall(r": ([A-Z]+)", out)


def test_check_counts_files_without_designs(run, tmp_path):
    """Files of a folder that hold no design are counted and are no error."""
    (tmp_path / "plain.py").write_text("x = 1")
    (tmp_path / "reexports.py").write_text("from dmabuf import design as mark\n")
    (tmp_path / "d.py").write_text("from dmabuf import design\n@design\ndef d(machine): pass\n")

    code, out, _err = run("check", tmp_path, "--json")

    document = json.loads(out)
    assert (0, 3, 2) == (code, document["files"], document["files_without_design"])


def test_check_design_in_a_file_called_like_a_module(run, tmp_path):
    """Files named after modules that the explorer uses do not get into its way."""
    for name in ("json", "queue", "random", "signal", "dmabuf", "threading"):
        (tmp_path / f"{name}.py").write_text(
            "from dmabuf import design\n@design\ndef d(machine): pass\n"
        )

    code, out, _err = run("check", tmp_path, "-q")

    assert 0 == code
    assert 6 == out.count(": PROVED")


# -- check: what cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["check", "nowhere.py"], 2, "nowhere.py: no such file or folder"),
        (["check", "examples/lock_across_wiat.py"], 2, f"did you mean {EXAMPLE}?"),
        (["check", f"{EXAMPLE}::brokn"], 2, "did you mean broken? it has: broken, fixed"),
        (["check", "src/dmabuf/py.typed"], 2, "no design in this file"),
        (["check", "docs"], 2, "docs: no design in this folder"),
        (["check", BAD / "syntax_error.txt"], 2, f"{BAD}/syntax_error.txt:5: is not valid Python"),
        (["check", BAD / "raises_at_import.py"], 2, f"{BAD}/raises_at_import.py:8: raises ValueE"),
        (["check", f"{EXAMPLE}::broken", "--replay", "x"], 2, "is no replay token"),
        (["check", "examples", "--replay", "x"], 2, "FILE::NAME --replay TOKEN"),
        (["check", EXAMPLE, EXAMPLE, "--replay", "x"], 2, "FILE::NAME --replay TOKEN"),
        (["check"], 2, "nothing to check"),
        (["check", EXAMPLE, "--jsno"], 2, "no option --jsno; did you mean --json?"),
        (["check", EXAMPLE, "--budget", "10"], 2, "write 10s, 500ms, 2m, 5000x"),
        (["check", EXAMPLE, "--budget", "0s"], 2, "no budget: '0s'"),
        (["check", EXAMPLE, "--seed", "x"], 2, "invalid int value"),
        (["chek", EXAMPLE], 2, "no command 'chek'; did you mean check?"),
        ([EXAMPLE], 2, f"dmabuf check {EXAMPLE} explores it"),
        (["--jsno"], 2, "no option --jsno"),
        (["rules", "DF22"], 2, "no rule DF22; did you mean DF2"),
        (["rules", "x"], 2, "no rule x; dmabuf rules lists them"),
    ],
)
def test_unusable_input_is_one_message(run, arguments, code, message):
    """What cannot be used is one line on stderr that names it, and nothing on stdout."""
    got, out, err = run(*arguments)

    assert (code, "") == (got, out)
    assert 1 == len(err.splitlines())
    assert err.startswith("dmabuf: ")
    assert message in err


def test_check_goes_on_after_unusable_input(run):
    """One bad path does not keep the others from being explored; the worst code wins."""
    code, out, err = run("check", "nowhere.py", f"{EXAMPLE}::fixed", "-q")

    assert 2 == code
    assert f"{EXAMPLE}::fixed: PROVED\n" == out
    assert "nowhere.py" in err


def test_check_c_source_is_not_available(run, tmp_path):
    """C source ends with 3 and the reason."""
    (tmp_path / "driver.c").write_text("int x;")

    code, _out, err = run("check", tmp_path / "driver.c")

    assert 3 == code
    assert "later release" in err


def test_check_carrier_that_is_absent_is_not_available(run, monkeypatch):
    """Asking for greenlets without greenlet ends with 3 and says how to get it."""
    monkeypatch.setattr("dmabuf.rt.carriers.has_greenlet", lambda: False)

    code, _out, err = run("check", EXAMPLE, "--carrier", "greenlet")

    assert 3 == code
    assert "pip install 'dmabuf[explore]'" in err


def test_check_without_greenlet_hints_at_it(run, monkeypatch):
    """Where greenlet is absent, one line on stderr says that it makes the search faster."""
    monkeypatch.setattr("dmabuf.rt.carriers.has_greenlet", lambda: False)

    _code, _out, err = run("check", f"{EXAMPLE}::fixed")
    _code, _out, quiet = run("check", f"{EXAMPLE}::fixed", "-q")

    assert err.startswith("hint: greenlet is not installed; pip install 'dmabuf[explore]'")
    assert "" == quiet


def test_check_harm_is_told_with_file_and_line(run):
    """A design that leaves the machine is a finding whose report names the line."""
    code, out, err = run("check", f"{BAD}/escapes.py::crashes")

    assert (1, "") == (code, err)
    assert "DF005" in out
    assert re.search(r"at: tests/explore/bad/escapes\.py:\d+", out)


def test_check_escapes_foreign_names(run):
    """Control characters of a design's names do not reach the terminal."""
    _code, out, _err = run("check", BAD / "hides_names.py")

    assert "\x1b" not in out
    assert r"\x1b[31mred" in out


# -- colours, progress, signals --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "0"}, False),
    ],
)
def test_colours_are_for_terminals_or_on_demand(run, monkeypatch, environment, coloured):
    """Without a terminal there are no colours; FORCE_COLOR adds them, NO_COLOR wins."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    _code, out, _err = run("check", f"{EXAMPLE}::fixed")

    assert coloured is ("\x1b[" in out)


@pytest.mark.slow
def test_check_on_a_terminal_is_coloured_and_live():
    """A terminal gets colours and one live line, which is gone before results are printed."""
    master, slave = pty.openpty()
    environment = {"TERM": "xterm", "NO_COLOR": "", "FORCE_COLOR": ""}
    arguments = ("check", BAD / "loops.py", "--budget", "1500ms")
    with start(*arguments, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(master, 4096):
                seen += data
    os.close(master)

    assert 4 == process.returncode
    progress, clear, report = seen.decode().rpartition("\r\x1b[K")
    assert "executions" in progress
    assert clear
    assert "\x1b[33;1mINCONCLUSIVE\x1b[0m" in report


@pytest.mark.slow
def test_interrupt_prints_what_is_known_and_exits_130():
    """Ctrl-C ends the search, prints the designs done and where the present one stood."""
    with start("check", f"{EXAMPLE}::fixed", BAD / "loops.py", "--budget", "20s") as process:
        first = process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert 130 == process.returncode
    assert f"{EXAMPLE}::fixed: PROVED\n" == first
    assert re.search(rf"{BAD}/loops.py(::for_ever)?: INCONCLUSIVE", out)
    assert "limit reached: interrupted" in " ".join(out.split())
    assert "dmabuf: interrupted\n" == err


@pytest.mark.slow
def test_closed_pipe_ends_quietly():
    """A reader that goes away (`| head -1`) ends the run without a word."""
    with start("check", EXAMPLE) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()

    assert "" == err
    assert process.returncode in (1, 141)


@pytest.mark.slow
def test_full_disk_is_one_message():
    """Output that cannot be written is told in one line."""
    with Path("/dev/full").open("w") as full, start("check", EXAMPLE, stdout=full) as process:
        err = process.stderr.read()

    assert 70 == process.returncode
    assert "dmabuf: cannot go on: No space left on device\n" == err


def test_internal_error_is_one_message(run, monkeypatch):
    """A bug of ours is exit code 70 and one line that asks for a report."""

    def broken(_paths):
        raise RuntimeError("oops")

    monkeypatch.setattr("dmabuf.explore.foreign.load.find_targets", broken)

    code, out, err = run("check", EXAMPLE)

    assert (70, "") == (code, out)
    assert 1 == len(err.splitlines())
    assert "internal error: RuntimeError: oops; please report it" in err


# -- the rest --------------------------------------------------------------------------------------


def test_version_is_that_of_the_package(run):
    """--version prints name, version, and whether the compiled build is in use."""
    build = "compiled" if is_compiled() else "pure Python"

    assert (0, f"dmabuf {__version__} ({build})\n", "") == run("--version")


@pytest.mark.slow
def test_version_says_that_a_pure_build_was_asked_for():
    """DMABUF_PURE leaves a compiled build aside, and --version says so."""
    with start("--version", env={"DMABUF_PURE": "1"}) as process:
        out, _err = process.communicate(timeout=10)

    assert f"dmabuf {__version__} (pure Python)\n" == out


@pytest.mark.slow
def test_version_loads_nothing_heavy():
    """--version pays for nothing that it does not use."""
    code = (
        "import sys; from dmabuf.cli import main; main(['--version']);"
        "heavy = {'argparse', 'inspect', 'json', 'subprocess', 'threading'};"
        "print(sorted(m for m in sys.modules if m in heavy or m.startswith('dmabuf.')))"
    )

    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = set(ast.literal_eval(found.stdout.splitlines()[-1]))
    light = {"dmabuf.cli", "dmabuf.core", "dmabuf.core.compiled"}
    assert light == loaded - {"dmabuf.core._fused"}


def test_help_names_the_commands(run):
    """Help goes to stdout with 0; no command at all is a mistake."""
    code, out, _err = run("--help")
    assert 0 == code
    assert all(word in out for word in ("check", "rules", "130"))

    code, out, err = run()
    assert (2, "") == (code, out)
    assert "usage:" in err


@pytest.mark.parametrize(
    ("text", "seconds", "executions", "steps"),
    [
        ("10s", 10, None, 2000),
        ("500ms", 0.5, None, 2000),
        ("2m", 120, None, 2000),
        ("1.5h", 5400, None, 2000),
        ("5000x", None, 5000, 2000),
        ("10s,5000x", 10, 5000, 2000),
        ("0.5x", None, 1, 2000),
        ("900steps", 30, None, 900),
        ("5000x,50steps", None, 5000, 50),
    ],
)
def test_budget_is_read(text, seconds, executions, steps):
    """A budget is time, executions, length, or several; executions lift the limit of time."""
    expected = Budget(seconds=seconds, executions=executions, steps_per_execution=steps)

    assert expected == parse_budget(text)


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1e9s", "nans", "10s;5x", "٣s", "0x", ","])
def test_budget_that_means_nothing_is_refused(text):
    """What is no budget is refused with examples."""
    with pytest.raises(ValueError, match="write 10s"):
        parse_budget(text)


def test_rules_lists_every_rule(run):
    """Each rule of the catalogue is listed with sentence, strength and statement."""
    code, out, _err = run("rules")

    assert 0 == code
    assert list(CODES) == re.findall(r"^(DF\d+)  [LDMA]  (?:must|should|ideal) ", out, re.MULTILINE)


def test_rules_json_of_named_rules_has_their_pages(run):
    """Reasons, sources, checks and the text of the designs, as on the page for people."""
    code, out, _err = run("rules", "DF202", "df001", "--json")
    data = json.loads(out)
    page = data["rules"][0]["page"]

    assert 0 == code
    assert ["DF202", "DF001"] == [rule["id"] for rule in data["rules"]]
    assert {"Counterexample", "Fix"} <= {design["role"] for design in page["designs"]}
    assert all("def " in design["text"] for design in page["designs"])
    assert page["why"]
    assert all(one["says"] for one in page["sources"])
    assert all(one["where"].startswith("dmabuf.") for one in page["checks"])
    assert "002" in data["documents"]


def test_rules_json_is_the_catalogue(run):
    """With --json the catalogue is a document."""
    _code, out, _err = run("rules", "--json")

    document = json.loads(out)
    assert "dmabuf.rules/1" == document["schema"]
    assert list(CODES) == [rule["id"] for rule in document["rules"]]


def test_rules_page_tells_all_of_a_rule(run):
    """The page of a rule has statement, reason, sources, its designs' source, and the remedy."""
    code, out, err = run("rules", "df202")

    assert (0, "") == (code, err)
    assert out.startswith("DF202 A lock held across a fence wait")
    words = " ".join(out.split())
    for expected in (
        CODES["DF202"].remedy,
        "strength: must",
        "protects: L",
        "Why",
        "Sources",
        "Counterexample @design def lock_across_wait(machine: Machine)",
        "Fix @design def drops_the_lock_first(machine: Machine)",
        "Near-miss",
        "Checks - explore:",
    ):
        assert expected in words


def test_rules_run_prints_a_line_per_design(run):
    """--run explores a rule's designs and ends with 0 when every verdict is as declared."""
    code, out, _err = run("rules", "DF001", "--run")

    assert 0 == code
    assert re.search(r"DF001  two_orders +expected VIOLATED DF001, got VIOLATED DF001  ok", out)
    assert re.search(r"DF001  one_order +expected PROVED, got PROVED  ok", out)
    assert "1 rules: every verdict is as declared" in out


def test_rules_run_that_differs_exits_1(run, monkeypatch):
    """One verdict that is not as declared is exit code 1, and its line says so."""

    def differs(rule):
        return RuleRun(rule.code, ok=False, lines=(("d", "PROVED", "BOUNDED"),), seconds=0.0)

    monkeypatch.setattr("dmabuf.rules.run_rule", differs)

    code, out, _err = run("rules", "DF001", "DF002", "--run")
    assert 1 == code
    assert "DF001  d  expected PROVED, got BOUNDED  DIFFERS" in out
    assert "2 not as declared" in out

    code, out, _err = run("rules", "DF001", "--run", "--json")
    assert 1 == code
    assert [{"design": "d", "expected": "PROVED", "got": "BOUNDED"}] == (
        json.loads(out)["runs"][0]["designs"]
    )
