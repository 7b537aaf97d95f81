"""Reading what frames hold."""

import ctypes

from dmabuf.explore.states import frame_values as frames
from dmabuf.explore.states.codes_of import name_of, reads_of
from dmabuf.explore.states.depths import instruction_at, instructions
from dmabuf.explore.states.frame_values import can_read, contents, position
from dmabuf.rt.live_task import LiveTask
from dmabuf.rt.strategy import FirstEnabled
from dmabuf.rt.tasks import Tasks
from tests.explore.random_programs import generate


def waits(value):
    """A generator that stops with values on its stack."""
    for one in (value, 2):
        total = one + (yield one)
    return total


def test_frames_of_this_python_can_be_read():
    """The layout is the one that is expected."""
    assert can_read()


def test_contents_show_the_stack():
    """The loop's iterator and the left side of a sum are there."""
    one, other = waits(1), waits(1)
    next(one), next(other), other.send(5)

    found = [contents(generator.gi_frame) for generator in (one, other)]

    assert [1, 2] == [values[-1] for values in found]
    assert position(one.gi_frame) == position(other.gi_frame)


def test_depths_agree_with_the_interpreter():
    """Where the interpreter notes how far a stack reaches, that is what was worked out."""
    checked = []

    class Look(FirstEnabled):
        def pick(self, runtime):
            for task in runtime.tasks:
                frame = None if task.finished else runtime.carrier.frame_of(task)
                while frame is not None:
                    checked.append(agrees(frame))
                    frame = frame.f_back
            return super().pick(runtime)

    for seed in range(20):
        program = generate(seed)
        Tasks(Look()).run(lambda rt, program=program: program(machine_of(rt)))

    assert len(checked) > 500
    assert False not in checked


def machine_of(rt):
    """A machine on that runtime."""
    from dmabuf.machine import Machine

    return Machine(rt)


def agrees(frame):
    """Is the noted height, where there is one, the one that was worked out?"""
    inner = ctypes.c_void_p.from_address(id(frame) + frames._INNER_AT).value
    noted = ctypes.c_int.from_address(inner + frames._STACKTOP_AT).value
    at = instruction_at(frame.f_code, frame.f_lasti)
    if noted < 0 or at.name not in frames._CALLS:
        return None
    return noted - frames._fixed(frame.f_code) == at.depth + at.effect - 1


def test_every_instruction_that_is_reached_has_a_depth():
    """No instruction of our own modules pops more than there is."""
    for code in (contents.__code__, LiveTask.__init__.__code__, waits.__code__):
        assert all(one.depth <= code.co_stacksize for one in instructions(code))


def test_codes_have_names_of_their_own():
    """Two functions with the same text are two."""

    def one():
        return 1

    def other():
        return 1

    assert name_of(one.__code__) != name_of(other.__code__)


def test_code_that_asks_for_the_time_is_noticed():
    """Also if a function inside of it does."""
    assert {"time"} == reads_of((lambda rt: lambda: rt.now()).__code__)
