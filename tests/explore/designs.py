"""Small designs that several tests of the explorer start from."""

from __future__ import annotations

from collections.abc import Callable

from dmabuf import Machine, Mutex, design

__all__ = ["philosophers", "two_orders"]


def two_orders(machine: Machine) -> None:
    """Two tasks that take two locks in two orders."""
    a, b = Mutex("A"), Mutex("B")

    def one() -> None:
        with a, b:
            pass

    def other() -> None:
        with b, a:
            pass

    machine.kthread(one, "one")
    machine.kthread(other, "other")


def philosophers(count: int, *, in_order: bool = False) -> Callable[[Machine], object]:
    """Guests at a round table who take the left fork first, or, in order, the lower one."""

    @design
    def fn(machine: Machine) -> None:
        forks = [Mutex(f"fork {n}") for n in range(count)]
        for n in range(count):
            pair = n, (n + 1) % count
            first, second = sorted(pair) if in_order else pair

            def eat(first: int = first, second: int = second) -> None:
                with forks[first], forks[second]:
                    pass

            machine.kthread(eat, f"guest {n}")

    return fn
