"""The designs that ship: each has the verdict, the rule and the chain that its words promise."""

import importlib.util
from pathlib import Path

import pytest

from dmabuf import Status, check_design

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def verdict_of(subject):
    """The verdict of file.py::name in the examples."""
    file, name = subject.split("::")
    spec = importlib.util.spec_from_file_location(file.removesuffix(".py"), EXAMPLES / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return check_design(getattr(module, name), subject)


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ("lock_across_wait.py::broken", "DF202"),
        ("scheduler_thread.py::broken", "DF202"),
        ("opportunistic_signaller.py::needed", "DF202"),
        ("threaded_irq.py::broken", "DF202"),
        ("timeline_wait_before_submit.py::broken", "DF108"),
        ("timeline_wait_before_submit.py::locked", "DF004"),
        ("moving_buffer.py::keeps_old_addresses", "DF603"),
        pytest.param(
            "pipeline_with_migration.py::keeps_its_mapping", "DF603", marks=pytest.mark.slow
        ),
        pytest.param("pipeline_with_migration.py::does_not_wait", "DF604", marks=pytest.mark.slow),
    ],
)
def test_broken_example_names_its_rule(subject, code):
    """It is violated, and its first finding names the rule, with a schedule to replay."""
    verdict = verdict_of(subject)

    assert Status.VIOLATED is verdict.status
    assert code == verdict.findings[0].code
    assert verdict.findings[0].token


@pytest.mark.parametrize(
    "subject",
    [
        "lock_across_wait.py::fixed",
        "scheduler_thread.py::fixed",
        "opportunistic_signaller.py::retire",
        "threaded_irq.py::fixed",
        "timeline_wait_before_submit.py::fixed",
        pytest.param("moving_buffer.py::two_importers_and_a_move", marks=pytest.mark.slow),
        pytest.param("moving_buffer.py::pipeline", marks=pytest.mark.slow),
        pytest.param("pipeline_with_migration.py::pipeline", marks=pytest.mark.slow),
    ],
)
def test_fixed_example_is_proved(subject):
    """All its schedules were run, and none is wrong."""
    verdict = verdict_of(subject)

    assert (Status.PROVED, ()) == (verdict.status, verdict.findings)


def test_scheduler_that_never_signals_is_named_on_the_way():
    """From the fence over the hardware to the scheduler, which waits for the lock."""
    finding = verdict_of("scheduler_thread.py::broken").findings[0]
    waits = {wait.task: wait for wait in finding.waits}

    assert ("ring",) == waits["submit"].wakers
    assert ("scheduler",) == waits["ring"].wakers
    assert (("submit",), True) == (waits["scheduler"].wakers, waits["scheduler"].definite)
    assert "vm lock" in finding.message


def test_wait_before_submit_names_who_would_submit():
    """The way to the signal ends at the program, and the fence itself is not to blame."""
    finding = verdict_of("timeline_wait_before_submit.py::broken").findings[0]
    waits = {wait.task: wait for wait in finding.waits}

    assert "a submission to points" in finding.message
    assert "renderer" in finding.message
    assert ("renderer",) == waits["display"].wakers
