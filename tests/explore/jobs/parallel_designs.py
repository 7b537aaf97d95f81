"""Designs that are explored by processes, which import this file."""

import ctypes
import multiprocessing

from dmabuf import Mutex, Shared, design


def _writers(machine, at_last):
    """Six tasks write in every order; `at_last` is called where the last is written first."""
    order = []
    cell = Shared(0, "cell")

    def write(number):
        cell.write(number)
        order.append(number)
        if order == [5, 4, 3, 2, 1]:
            at_last()

    for number in range(6):
        machine.kthread(lambda number=number: write(number), f"t{number}")


@design
def disputed(machine):
    """Two orders of locks among others that only take time."""
    a, b, cell = Mutex("A"), Mutex("B"), Shared(0, "cell")

    def one():
        with a, b:
            pass

    def other():
        with b, a:
            cell.write(9)

    machine.kthread(one, "one")
    machine.kthread(other, "other")
    for number in range(4):
        machine.kthread(lambda number=number: cell.write(number), f"busy {number}")


@design
def crashes_workers(machine):
    """Nothing is wrong with it, but one schedule kills the worker that comes by it."""

    def crash():
        if multiprocessing.parent_process() is not None:
            ctypes.string_at(0)

    _writers(machine, crash)


@design
def hangs_late(machine):
    """One of the last schedules never comes back."""

    def hang():
        while True:
            pass

    _writers(machine, hang)
