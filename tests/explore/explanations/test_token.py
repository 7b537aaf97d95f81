"""Replay tokens: they hold every schedule, and are the same wherever a design is checked."""

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dmabuf import Mutex, check_design
from dmabuf.explore.check import replay_design
from dmabuf.explore.explanations.divergence import check_of, first_change, matches, seal
from dmabuf.explore.explanations.packed import MAX_PACKED, pack, unpack
from dmabuf.explore.explanations.token import TokenError, decode, encode, token_of
from dmabuf.rt.api import OPS
from dmabuf.rt.strategy import INTERRUPT, MAX_OPTIONS, TIMEOUT

ROOT = Path(__file__).resolve().parents[3]
DESIGNS = ROOT / "tests" / "explore" / "portable.py"

variants = st.one_of(st.integers(0, MAX_OPTIONS - 1), st.sampled_from([TIMEOUT, INTERRUPT]))
moves = st.lists(st.tuples(st.integers(0, 200), variants), max_size=60)
checks = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=4, max_size=4)


@settings(deadline=None)
@given(moves, checks)
def test_token_holds_every_schedule(schedule, check):
    """Decoding what was encoded gives the same schedule, whatever the moves."""
    assert (schedule, check) == decode(encode(schedule, check))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.just(0)), min_size=1, max_size=40))
def test_token_is_short_where_tasks_run_on(schedule):
    """It grows with context switches, not with steps."""
    switches = sum(one != other for one, other in itertools.pairwise(schedule))

    assert len(encode(schedule, "abcd")) <= 7 + 3 * (switches + 1)


few_tasks = st.lists(st.tuples(st.integers(0, 2), st.just(0)), max_size=200)


@settings(deadline=None)
@given(few_tasks)
@example([(n * n % 3, 0) for n in range(200)])
def test_token_of_200_steps_of_three_tasks_is_at_most_64_characters(schedule):
    """Whatever the order of their steps."""
    assert len(encode(schedule, "abcd")) <= 64


@st.composite
def with_few_switches(draw):
    """200 steps of eight tasks that take turns up to 24 times; up to six are not ordinary."""
    places = sorted(draw(st.lists(st.integers(1, 199), max_size=24)))
    tasks = [draw(st.integers(0, 7)) for _ in range(len(places) + 1)]
    odd = draw(st.dictionaries(st.integers(0, 199), st.sampled_from([1, TIMEOUT]), max_size=6))
    bounds = [0, *places, 200]
    runs = zip(tasks, itertools.pairwise(bounds), strict=True)
    who = [task for task, (start, end) in runs for _ in range(start, end)]
    return [(task, odd.get(index, 0)) for index, task in enumerate(who)]


@settings(deadline=None)
@given(with_few_switches())
def test_token_of_200_steps_with_few_switches_is_at_most_64_characters(schedule):
    """Many tasks, timeouts and choices do not matter as long as tasks run on."""
    assert len(encode(schedule, "abcd")) <= 64


@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_token_of_200_steps_in_turn_is_at_most_64_characters(tasks):
    """Tasks that alternate, one step each, which no run makes shorter."""
    schedule = [(step % tasks, 0) for step in range(200)]

    token = encode(schedule, "abcd")

    assert len(token) <= 64
    assert (schedule, "abcd") == decode(token)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), variants), max_size=60))
def test_packed_schedule_is_what_was_packed(schedule):
    """Any schedule survives, of many tasks and with any way of a step."""
    assert schedule == unpack(pack(schedule))


@settings(deadline=None)
@given(st.text("ABCDEFlmp-_09", max_size=30))
def test_packed_text_that_is_none_is_refused(text):
    """Whatever it is, it is a schedule or a ValueError, and never takes long."""
    try:
        schedule = unpack(text)
    except ValueError:
        return

    assert len(schedule) <= 6 * MAX_PACKED


def test_token_of_format_1_is_still_read():
    """Tokens printed by older versions mean what they meant."""
    assert [(0, 0), (1, TIMEOUT), (1, TIMEOUT), (52, INTERRUPT), (0, 12), (2, 3), (2, 3)] == decode(
        "1.k7qa.ab~2+a!a:12c:3.2"
    )[0]


@settings(deadline=None)
@given(st.text(max_size=40))
def test_token_that_is_none_is_refused(text):
    """Whatever is typed is read or refused with one clear error; nothing else is raised."""
    try:
        schedule, check = decode(text)
    except TokenError:
        pass
    else:
        assert (schedule, check) == decode(encode(schedule, check))


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "looks like 1.abcd.ab3a"),
        ("hello", "looks like"),
        ("3.abcd.ab", "format 3 is not known here"),
        ("2.abcd.", "is no packed schedule"),
        ("2.abcd.ab", "is no packed schedule"),
        ("2.abcd.l__AAAA", "too many steps"),
        ("2.abcd.pA_____", "is no packed schedule"),
        ("1.abcd.a?b", "cannot be read at '?b'"),
        ("1.abcd.a99999b99999", "more than 100000 steps"),
    ],
)
def test_token_errors_say_what_is_wrong(token, said):
    """The message names what cannot be read, or shows what a token looks like."""
    with pytest.raises(TokenError, match=said.replace("?", r"\?")):
        decode(token)


def test_token_check_changes_with_the_operations():
    """The check follows the operations' names and their order."""
    one = check_of(["a mutex.lock", "b mutex.lock"])

    assert one == check_of(["a mutex.lock", "b mutex.lock"])
    assert one != check_of(["b mutex.lock", "a mutex.lock"])
    assert one != check_of(["a mutex.lock", "b mutex.trylock"])


def pythons():
    """This Python and every other supported one that is installed."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    folders += sorted(Path.home().glob(".pyenv/versions/3.*/bin"))
    found = {sys.version_info[:2]: sys.executable}
    for minor in range(11, 16):
        candidates = [folder / f"python3.{minor}" for folder in folders]
        runs = (str(path) for path in candidates if path.exists() and _runs(path))
        if (3, minor) not in found and (python := next(runs, None)):
            found[3, minor] = python
    return list(found.values())


def _runs(python: Path) -> bool:
    """A shim of a version manager may stand for nothing."""
    command = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(240)  # five interpreters, one after the other
def test_token_is_the_same_everywhere():
    """Python version, hash seed and carrier change neither tokens nor counts nor findings."""
    said = set()
    for python in pythons():
        said.add(_tokens(python, "77", "threads"))
    for hash_seed, carrier in (("1", "threads"), ("5", "")):
        said.add(_tokens(sys.executable, hash_seed, carrier))

    assert 1 == len(said)
    assert all(token.startswith("1.") for token, *_ in json.loads(said.pop()))


def _tokens(python: str, hash_seed: str, carrier: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT / "src")}
    command = [python, str(DESIGNS), carrier]
    ran = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=True
    )
    return ran.stdout


WORDS = ["mutex.lock", "mutex.unlock", "fence.wait", "fence.signal", "shared.read", "shared.write"]


def steps_of(rng, count, tasks):
    """A schedule, and what its steps are."""
    who = [rng.randrange(tasks) for _ in range(count)]
    return [(one, 0) for one in who], [f"{one} {rng.choice(WORDS)} 0" for one in who]


def changed_once(rng, steps, how):
    """The steps with one operation changed, come in or gone in its task; where, and what it was."""
    index = rng.randrange(len(steps))
    who, was, _ = steps[index].split(" ")
    mine = [i for i, step in enumerate(steps) if i >= index and step.split(" ")[0] == who]
    names = [steps[i].split(" ")[1] for i in mine]
    new = rng.choice([word for word in WORDS if word != was])
    moved = {"changed": [new, *names[1:]], "came": [new, *names[:-1]], "went": [*names[1:], new]}
    found = list(steps)
    for place, name in zip(mine, moved[how], strict=True):
        found[place] = f"{who} {name} 0"
    first = next((i for i in range(len(steps)) if found[i] != steps[i]), None)
    return found, first


@pytest.mark.parametrize("how", ["changed", "came", "went"])
@pytest.mark.parametrize(("count", "tasks"), [(4, 2), (24, 3), (200, 2)])
def test_first_step_that_changed_is_named(count, tasks, how):
    """Also what it was, in nearly all cases; where it is not, the group that it is in."""
    rng = random.Random(f"{count} {how}")
    named = tried = 0
    for _ in range(6):
        moves, steps = steps_of(rng, count, tasks)
        token = token_of(moves, steps)
        now, first = changed_once(rng, steps, how)
        if first is None:
            continue
        tried += 1
        change = first_change(now, decode(token)[1], count, OPS.keys() | set(WORDS))
        assert len(token) <= 64
        named += change == (first, first, steps[first].split(" ")[1])

    assert named >= tried * 0.6


def test_letters_of_groups_find_several_changes():
    """The group of the first one is told where more than one thing changed."""
    steps = [f"{n % 3} shared.read 0" for n in range(60)]
    now = ["0 mutex.lock 0" if n in (20, 41, 50) else step for n, step in enumerate(steps)]

    change = first_change(now, seal(steps, 60), 60, WORDS)

    assert (18, 23, "") == change


def test_schedule_that_stops_short_tells_what_changed_before():
    """Groups that were gone through are compared also where a later step is not possible."""
    steps = [f"{n % 3} shared.read 0" for n in range(60)]
    now = ["0 mutex.lock 0" if n == 3 else step for n, step in enumerate(steps)]

    assert (0, 5, "") == first_change(now[:30], seal(steps, 60), 60, WORDS)
    assert first_change(steps[:30], seal(steps, 60), 60, WORDS) is None


def test_tokens_without_letters_of_groups_are_read():
    """Those that were printed before there were any fit as before."""
    steps = [f"{n % 3} shared.read 0" for n in range(60)]

    assert matches(steps, check_of(steps))
    assert matches(steps, seal(steps, 60))
    assert not matches(steps[1:], seal(steps, 60))


def test_changed_design_is_told_which_step_changed():
    """In words, with the operation that stood there and the one that does now."""

    def design(machine, lock):
        cell = Mutex("A")

        def one():
            if lock:
                cell.lock()
            else:
                cell.trylock()
            machine.choose(1)

        machine.kthread(one)

    token = check_design(lambda machine: design(machine, lock=True), "x").findings[0].token

    with pytest.raises(TokenError, match=r"Step 1, by one, was mutex\.lock .*mutex\.trylock"):
        replay_design(lambda machine: design(machine, lock=False), "x", token)
