"""Verdicts as text: what a person reads."""

import pytest

from dmabuf.report.columns import width_of
from dmabuf.report.finding import Finding, Place, Step, Taken, Wait
from dmabuf.report.schedule import Places
from dmabuf.report.text import (
    Style,
    replay_line,
    summary_text,
    trouble_text,
    verdict_line,
    verdict_text,
)
from dmabuf.report.verdict import Status, Trouble, Verdict

LOCK_1, LOCK_2, WAIT = (Place("/d/driver.py", line, "f") for line in (10, 20, 21))

STEPS = (
    Step("waiter", "locks A", "mutex.lock", LOCK_2),
    Step("signaller", "locks A", "mutex.lock", LOCK_1, blocked=True),
    Step("waiter", "waits for fence gpu:1", "fence.wait", WAIT, blocked=True, note="hangs"),
)
WAITS = (
    Wait("signaller", "waits for", "A", ("waiter",), definite=True, place=LOCK_1),
    Wait("waiter", "waits for", "fence gpu:1", ("signaller",), holds=("A",), place=WAIT),
)
DEADLOCK = Finding(
    code="DF202",
    message="waiter holds A while it waits for fence gpu:1; signaller needs A",
    implied=("DF001", "DF101"),
    place=LOCK_1,
    waits=WAITS,
    tasks=("signaller", "waiter"),
    steps=STEPS,
    switches=1,
    fewest=True,
    token="1.abcd.b",
)
VIOLATED = Verdict(
    "driver.py::bad",
    Status.VIOLATED,
    (DEADLOCK,),
    executions=2,
    steps=8,
    seconds=0.25,
    assumed=("memory is sequentially consistent",),
    carrier="greenlet",
)

REPORT = """\
driver.py::bad: VIOLATED

  DF202 A lock held across a fence wait, or across anything that may wait for
        one, is not taken on the way to a signal.
  here: waiter holds A while it waits for fence gpu:1; signaller needs A
  also broken: DF001, DF101

  Who waits for whom
    signaller  waits for A; only waiter can end that  driver.py:10
    waiter     holds A; waits for fence gpu:1; in some run signaller ends that
               driver.py:21

  Schedule, 1 context switch (the fewest possible)
     signaller          waiter
  1                     locks A                        driver.py:20
  -  locks A [blocked]                                 driver.py:10
  -                     waits for fence gpu:1 [hangs]  driver.py:21

  remedy: Drop the lock before the wait, or signal without taking it.
  replay: dmabuf check driver.py::bad --replay 1.abcd.b

  2 executions, 8 steps, 0.25 s with greenlet; every schedule was explored"""


def style(width: int = 80, *, colour: bool = False) -> Style:
    """Places are below /d."""
    return Style(width, colour, Places("/d"))


def test_verdict_text_of_a_deadlock():
    """A finding shows rule, case, waits, schedule, remedy and replay line, in a screenful."""
    text = verdict_text(VIOLATED, style())

    assert REPORT == text
    assert len(text.splitlines()) <= 40


@pytest.mark.parametrize("width", [60, 80, 120])
def test_verdict_text_fits_the_terminal(width):
    """No line of a report but the replay command is wider than the terminal."""
    lines = verdict_text(VIOLATED, style(width)).splitlines()

    assert [] == [line for line in lines if width_of(line) > width and "replay:" not in line]


def test_verdict_text_cuts_a_step_but_not_what_became_of_it():
    """Where columns shrink, a step's words are cut and its mark is kept."""
    text = verdict_text(VIOLATED, style(62))

    assert "waits for fence… [hangs]" in text


def test_verdict_text_lists_many_tasks():
    """More columns than fit become a list that names the task of each step."""
    names = [f"worker {number}" for number in range(9)]
    steps = tuple(Step(name, "locks A", "mutex.lock", LOCK_1) for name in names)
    wide = Finding("DF001", "all wait", tasks=tuple(names), steps=steps)

    lines = verdict_text(Verdict("d", Status.VIOLATED, (wide,)), style()).splitlines()

    assert "  1  worker 0: locks A  driver.py:10" in lines
    assert "  9  worker 8: locks A  driver.py:10" in lines


def test_verdict_text_leaves_out_the_middle_of_a_long_schedule():
    """A schedule of 2,000 lines shows its beginning and its end, and says so, in 40 lines."""
    places = [Place("/d/driver.py", line) for line in range(1, 2001)]
    steps = tuple(Step("one", f"step {place.line}", "x", place) for place in places)
    long = Finding("DF001", "long", tasks=("one",), steps=steps)

    text = verdict_text(Verdict("d", Status.VIOLATED, (long,)), style())

    assert "step 8 " in text
    assert "step 9 " not in text
    assert "steps 9 to 1983 are left out" in text
    assert "step 2000 " in text
    assert len(text.splitlines()) <= 40


def test_verdict_text_folds_what_one_line_does():
    """In a long schedule the steps of one source line are one row, which says how many."""
    steps = tuple(Step("one", f"step {n}", "x", LOCK_1) for n in range(1, 100))
    steps = (*steps, Step("one", "waits", "x", WAIT, blocked=True))

    text = verdict_text(
        Verdict("d", Status.VIOLATED, (Finding("DF001", "long", tasks=("one",), steps=steps),)),
        style(),
    )

    assert "1-98  step 1 ... step 98 " in text
    assert "  99  step 99" in text
    assert "   -  waits [blocked]" in text


def test_verdict_text_of_very_many_tasks_keeps_to_a_screen():
    """Sixty tasks that wait, with deep stacks and long names, still give at most 40 lines."""
    deep = tuple(Place(f"/d/driver{n}.py", n + 1, f"function_{n}") for n in range(8))
    names = [f"a task with a rather long name, number {n}" for n in range(60)]
    waits = tuple(
        Wait(
            name,
            "waits for",
            f"lock {name}",
            tuple(names[:3]),
            holds=("A", "B"),
            place=deep[0],
            leads=index < 30,
            stack=deep,
            taken=(Taken("A", deep), Taken("B", deep)),
        )
        for index, name in enumerate(names)
    )
    steps = tuple(
        Step(name, f"locks {name}", "x", deep[0], blocked=n > 30) for n, name in enumerate(names)
    )
    finding = Finding("DF202", "x" * 599, ("DF001",), LOCK_1, waits, (), steps, token="1.a.b")

    lines = verdict_text(Verdict("d", Status.VIOLATED, (finding,)), style()).splitlines()

    assert len(lines) <= 40
    assert any("more tasks wait" in line for line in lines)
    assert any("more tasks get no further" in line for line in lines)


@pytest.mark.parametrize(
    ("turn", "said"), [(2, "; steps 2 to 3 are repeated for ever"), (1, "; step 3 is repeated")]
)
def test_verdict_text_names_the_steps_that_are_repeated(turn, said):
    """Of a run that never ends, which of its steps come again and again."""
    steps = tuple(Step("one", f"step {n}", "x", LOCK_1) for n in range(1, 4))
    steps = (*steps, Step("two", "waits", "x", WAIT, blocked=True))
    finding = Finding("DF001", "m", steps=steps, turn=turn)

    assert said in verdict_text(Verdict("d", Status.VIOLATED, (finding,)), style())


def test_verdict_text_shows_both_stacks():
    """Where a task waits and where it took what it holds are stacks, not lines."""
    inner, outer = Place("/d/driver.py", 7, "inner"), Place("/d/driver.py", 30, "outer")
    wait = Wait(
        "a",
        "waits for",
        "B",
        ("b",),
        definite=True,
        holds=("A",),
        place=inner,
        stack=(inner, outer),
        taken=(Taken("A", (outer,)),),
    )

    text = verdict_text(Verdict("d", Status.VIOLATED, (Finding("DF001", "m", waits=(wait,)),)))

    assert "at driver.py:7 in inner, called at driver.py:30 in outer" in text.replace("/d/", "")
    assert "took A at driver.py:30" in text.replace("/d/", "")


def test_verdict_text_escapes_foreign_names():
    """Control characters of names and messages reach no terminal, in any part of a report."""
    evil = "a\x1b[2J\nb\r\u202e\x9b"
    place = Place(f"/d/{evil}.py", 1)
    finding = Finding(
        "DF001",
        evil,
        place=place,
        waits=(Wait(evil, evil, evil, (evil,), holds=(evil,), place=place),),
        tasks=(evil,),
        steps=(Step(evil, evil, "x", place, note=evil),),
        token="1.a.b",
    )
    verdict = Verdict(evil, Status.VIOLATED, (finding,), notes=(evil,), limit=evil, carrier=evil)

    for text in (verdict_text(verdict, style()), verdict_line(verdict, style())):
        assert [] == [line for line in text.split("\n") if not line.isprintable()]
    assert trouble_text(Trouble(evil, evil, evil, place), style()).isprintable()


def test_verdict_text_in_colour_says_the_same():
    """Colours change nothing but colours, and none are there unless asked for."""
    import re

    coloured = verdict_text(VIOLATED, style(colour=True))

    assert "\x1b[31;1mVIOLATED\x1b[0m" in coloured
    assert REPORT == re.sub(r"\x1b\[[0-9;]*m", "", coloured)


def test_verdict_text_of_a_proof():
    """A proof names its extent and what it takes for granted."""
    verdict = Verdict(
        "d", Status.PROVED, executions=1, steps=1200, seconds=1.5, assumed=("this", "that")
    )

    assert (
        "d: PROVED\n"
        "  1 execution, 1,200 steps, 1.50 s; every schedule was explored\n"
        "  assumed: this; that"
    ) == verdict_text(verdict, style())


@pytest.mark.parametrize(
    ("limit", "advice"),
    [
        ("30 s", "--budget 60s"),
        ("0.5 s", "--budget 1s"),
        ("5000 executions", "--budget 10000x"),
        ("2000 steps in one execution", "loops end"),
        ("interrupted", "smaller design"),
    ],
)
def test_verdict_text_of_a_limit_says_which_and_what_to_do(limit, advice):
    """An undecided verdict names the limit, claims nothing beyond, and gives advice."""
    text = verdict_text(Verdict("d", Status.INCONCLUSIVE, limit=limit), style(200))

    assert f"limit reached: {limit}" in text
    assert "proves nothing beyond" in text
    assert advice in text
    assert "every schedule" not in text


def test_verdict_text_numbers_several_findings():
    """Each of several findings has a heading."""
    text = verdict_text(Verdict("d", Status.VIOLATED, (DEADLOCK, DEADLOCK)), style())

    assert "  Finding 1 of 2" in text
    assert "  Finding 2 of 2" in text


def test_verdict_text_fewest_is_said_only_if_proved():
    """A schedule whose switches may not be the fewest does not claim it."""
    maybe = Finding("DF001", "x", tasks=("one",), steps=STEPS[:1], switches=2)

    text = verdict_text(Verdict("d", Status.VIOLATED, (maybe,)), style())

    assert "2 context switches\n" in text
    assert "fewest" not in text


def test_verdict_text_of_an_early_end_says_there_may_be_more():
    """A search that found something and then reached a limit says that it did."""
    text = verdict_text(Verdict("d", Status.VIOLATED, (DEADLOCK,), limit="30 s"), style(99))

    assert "ended early (30 s), there may be more" in text


def test_verdict_line_names_the_first_finding():
    """One line has subject, status, rule and case, or the limit."""
    found = verdict_line(VIOLATED, style())

    assert f"driver.py::bad: VIOLATED DF202 {DEADLOCK.message}" == found
    assert "d: BOUNDED (9 s)" == verdict_line(Verdict("d", Status.BOUNDED, limit="9 s"))


def test_trouble_text_is_one_line_with_place_and_remedy():
    """A trouble names the line once, then what is wrong, then what to do."""
    told = Trouble("driver.py", "is not valid Python", "mend it", Place("/d/driver.py", 3))
    other = Trouble("driver.py", "raises", place=Place("/d/helper.py", 5))

    assert "driver.py:3: is not valid Python; mend it" == trouble_text(told, style())
    assert "driver.py: helper.py:5: raises" == trouble_text(other, style())


def test_replay_line_survives_a_shell():
    """Names and tokens with characters that a shell acts on are quoted."""
    assert "dmabuf check 'a b.py::c' --replay '1.a.b!c~'" == replay_line("a b.py::c", "1.a.b!c~")
    assert r"dmabuf check $'a\x1b\'\\.py::c' --replay 1" == replay_line("a\x1b'\\.py::c", "1")


def test_summary_text_counts_each_status():
    """Several designs are summed up by status."""
    verdicts = [VIOLATED, Verdict("a", Status.PROVED), Verdict("b", Status.PROVED)]

    assert "3 designs: 2 PROVED, 1 VIOLATED" == summary_text(verdicts)


def test_wide_characters_keep_columns_straight():
    """A name in wide characters counts two cells a character."""
    steps = (
        Step("任务", "locks A", "x", LOCK_1),
        Step("b", "locks A", "x", LOCK_2),
    )
    finding = Finding("DF001", "x", tasks=("任务", "b"), steps=steps)

    lines = verdict_text(Verdict("d", Status.VIOLATED, (finding,)), style()).splitlines()
    head = next(line for line in lines if "任务" in line)
    row = next(line for line in lines if "driver.py:20" in line)

    assert width_of(head[: head.index("b")]) == row.index("locks A")
