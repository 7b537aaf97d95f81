"""Interrupt lines and engines."""

from __future__ import annotations

from typing import Any

from dmabuf import Machine, Shared, SpinLock
from dmabuf.irq import IrqReturn
from dmabuf.sync.context import local_irq_save
from tests.explore.alphabet.family import Act, Family, Things, already, op

__all__ = ["FAMILIES"]


def _line(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), spin=SpinLock("s"))
    world.line = machine.irq(lambda: world.cell.add(1), "line")
    return world


def _threaded(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), spin=SpinLock("s"))
    world.line = machine.irq(
        lambda: IrqReturn.WAKE_THREAD,
        "line",
        thread_fn=lambda: world.cell.add(1),
        oneshot=True,
    )
    return world


def _two_lines(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), spin=SpinLock("s"))
    world.line = machine.irq(lambda: world.cell.add(1), "line", cpu=0)
    world.other = machine.irq(lambda: world.cell.write(7), "other", cpu=0)
    return world


def _spins(how: str) -> Act:
    def act(world: Any) -> Any:
        with getattr(world.spin, how)() if how else world.spin:
            return world.cell.read()

    return act


def _masked(world: Any) -> Any:
    with local_irq_save():
        return world.cell.read()


_LINE: dict[str, Act] = {
    "raise": lambda w: w.line.raise_irq(),
    "disable": lambda w: w.line.disable(),
    "disable_nosync": lambda w: w.line.disable_nosync(),
    "enable": op("irq.enable", "line"),
    "free": lambda w: w.line.free(),
    "synchronize": lambda w: w.line.synchronize(),
    "spins": _spins(""),
    "spins irqsave": _spins("irqsave"),
    "spins bh": _spins("bh"),
    "masked": _masked,
    "write": lambda w: w.cell.write(3),
    "read": lambda w: w.cell.read(),
}

_TWO: dict[str, Act] = {
    "raise both": lambda w: (w.line.raise_irq(), w.other.raise_irq()),
    "raise": lambda w: w.line.raise_irq(),
    "raise other": lambda w: w.other.raise_irq(),
    "spins": _spins(""),
    "spins irqsave": _spins("irqsave"),
    "read": lambda w: w.cell.read(),
}


def _engine(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"))
    world.engine = machine.engine("gpu", reset_may_fail=True)
    return world


_ENGINE: dict[str, Act] = {
    "run": lambda w: w.engine.run(lambda: w.cell.add(1), "job") and None,
    "reset": lambda w: w.engine.reset(),
    "wedge": op("engine.wedge", "engine"),
    "submit": op("engine.submit", "engine"),
    "read": lambda w: w.cell.read(),
}

FAMILIES = (
    Family("irq line", _line, _LINE),
    Family("irq line that is off", already(_line, lambda w: w.line.disable_nosync()), _LINE),
    Family("threaded irq line", _threaded, _LINE),
    Family("two irq lines", _two_lines, _TWO),
    Family("engine", _engine, _ENGINE),
)
