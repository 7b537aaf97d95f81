"""What the explorer says about designs that wait for chains and arrays."""

from __future__ import annotations

import pytest

from dmabuf import Machine, Mutex, Timeline, check_design, design
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_unwrap import merge


@design
def never_signalled(machine: Machine) -> None:
    """A fence in an array in a chain is forgotten."""
    gpu, display = Timeline("gpu").fence(), Timeline("display").fence()
    first = FenceChain.create(None, gpu, 1)
    head = FenceChain.create(first, FenceArray.create([display]), 2)
    machine.kthread(head.wait, "waiter")
    machine.kthread(gpu.signal, "engine")


@design
def lock_across_a_container(machine: Machine) -> None:
    """A lock is held while waiting for an array, and taken on the way to a member's signal."""
    gpu, display = Timeline("gpu").fence(), Timeline("display").fence()
    lock, both = Mutex("L"), FenceArray.create([gpu, display])

    def wait() -> None:
        with lock:
            both.wait()

    def signal() -> None:
        with lock:
            display.signal()

    machine.kthread(wait, "waiter")
    machine.kthread(signal, "signaller")
    machine.kthread(gpu.signal, "engine")


@design
def asked_once(machine: Machine) -> None:
    """Nobody asks again when all is done: the containers stay unsignalled, and owe nothing."""
    gpu, display = Timeline("gpu").fence(), Timeline("display").fence()
    both = FenceArray.create([gpu, display])
    chain = FenceChain.create(None, gpu, 1)
    machine.kthread(lambda: (both.is_signaled(), chain.is_signaled()), "asker")
    machine.kthread(gpu.signal, "engine")
    machine.kthread(display.signal, "panel")


@design
def waited_for(machine: Machine) -> None:
    """A wait for a merge of two fences, one of them at the head of a chain."""
    gpu, display = Timeline("gpu").fence(), Timeline("display").fence()
    head = FenceChain.create(None, gpu, 1)
    machine.kthread(lambda: merge(head, display).wait(), "waiter")
    machine.kthread(gpu.signal, "engine")
    machine.kthread(display.signal, "panel")


def test_containers_name_the_pending_fence_inside():
    """Not the container is blamed, but what is inside it and never signals."""
    verdict = check_design(never_signalled, "a design")

    finding = verdict.findings[0]
    assert "DF101" == finding.code
    assert "nobody signals fence display:1" in finding.message


def test_containers_lead_to_the_signallers_of_what_is_inside():
    """The cycle goes through the array to who would signal the member."""
    verdict = check_design(lock_across_a_container, "a design")

    finding = verdict.findings[0]
    assert "DF202" == finding.code
    assert "fence array:1 (in it fence display:1)" in finding.message


@pytest.mark.parametrize("correct", [asked_once, waited_for])
def test_containers_owe_no_signal_of_their_own(correct):
    """A correct design is proved, though a container that nobody asks stays pending."""
    verdict = check_design(correct, "a design")

    assert [] == list(verdict.findings)
    assert "PROVED" == verdict.status.name
