"""Which fences are public, and since when: what neighbours wait for, and what designs owe."""

import pytest

from dmabuf import FenceArray, FenceChain, Resv, Shared, SyncFile, SyncObj, Timeline, Usage, design
from dmabuf.explore.check import check_design
from dmabuf.explore.predictions.confirm import predicted
from dmabuf.explore.predictions.public import Public, learnt
from dmabuf.report.judgement import Outcome
from dmabuf.sync.context import allocate, signalling
from dmabuf.sync.gfp import Gfp


def by_hand(fence):
    """An out-fence pointer: the driver says so."""
    fence.publish()


def in_a_reservation_object(fence):
    """For all who use the buffer."""
    with Resv("buffer") as resv:
        resv.reserve_fences(1)
        resv.add_fence(fence, Usage.WRITE)


def in_a_sync_file(fence):
    """For userspace."""
    SyncFile(fence)


def in_a_sync_object(fence):
    """For userspace, under a handle."""
    SyncObj("handle").replace_fence(fence)


def in_a_published_array(fence):
    """Who finds the array waits for what is in it."""
    FenceArray.create([fence]).publish()


def in_a_published_chain(fence):
    """Likewise."""
    FenceChain.create(None, fence, 1).publish()


PLACES = [
    by_hand,
    in_a_reservation_object,
    in_a_sync_file,
    in_a_sync_object,
    in_a_published_array,
    in_a_published_chain,
]


@pytest.mark.parametrize("publish", PLACES)
def test_what_a_task_publishes_has_to_signal(publish):
    """Each place is one where others find the fence, though in this run nobody does."""

    @design
    def forgets(machine):
        machine.kthread(lambda: publish(Timeline("gpu").fence()), "submit")

    verdict = check_design(forgets, "d")

    assert [True] == [finding.code in ("DF101", "DF109") for finding in verdict.findings]


def test_what_nobody_can_find_may_stay_pending():
    """A fence that its task keeps to itself owes nothing."""

    @design
    def keeps(machine):
        machine.kthread(lambda: Timeline("gpu").fence(), "submit")

    assert [] == list(check_design(keeps, "d").findings)


@pytest.mark.parametrize("publish", PLACES)
def test_both_orders_of_a_publication_and_a_look_are_explored(publish):
    """Somebody who looks finds the fence in some schedules and not in others."""
    found = set()

    @design
    def races(machine):
        timeline = Timeline("gpu")
        public = Public(machine.rt, frozenset())

        def submit():
            fence = timeline.fence()
            publish(fence)
            fence.signal()

        machine.kthread(submit, "submit")
        machine.kthread(lambda: found.add(len(public.fences())), "shrinker")

    verdict = check_design(races, "d", engine="source-DPOR")

    assert ({0, 1}, []) == (found, list(verdict.findings))


def job(publish, *, early):
    """A section that allocates, before its fence is public or when it is."""

    @design
    def submits(machine):
        fence = Timeline("gpu").fence()

        def submit():
            with signalling():
                if early:
                    allocate(Gfp.KERNEL, "a job")
                publish(fence)
                if not early:
                    allocate(Gfp.KERNEL, "a job")
                fence.signal()

        machine.kthread(submit, "submit")

    return submits


@pytest.mark.slow
@pytest.mark.parametrize("publish", [by_hand, in_a_sync_file, in_a_published_array])
@pytest.mark.parametrize(("early", "outcome"), [(True, "REFUTED"), (False, "CONFIRMED")])
def test_neighbours_wait_for_a_fence_from_its_publication_on(publish, early, outcome):
    """Before that nobody can wait for it, so nothing that its task does is on the way."""
    answers = predicted(job(publish, early=early), "d")

    of_job = [one for one in answers if one.predicted.place.function == "submit"]
    assert [outcome] == [one.outcome.value for one in of_job]


def test_fence_that_is_made_in_a_task_is_found_as_well():
    """The neighbours find what is published while the run goes on."""

    @design
    def submits(machine):
        def submit():
            with signalling():
                fence = Timeline("gpu").fence()
                fence.publish()
                allocate(Gfp.KERNEL, "a job")
                fence.signal()

        machine.kthread(submit, "submit")

    (answer,) = predicted(submits, "d")

    assert ("DF301", Outcome.CONFIRMED, True) == (
        answer.predicted.code,
        answer.outcome,
        answer.beside,
    )


def test_fence_that_neighbours_cannot_find_leaves_it_open():
    """Two tasks share it without a word: that no neighbour waits for it refutes nothing."""

    @design
    def shares(machine):
        last = Shared(None, "last")

        def submit():
            with signalling():
                fence = Timeline("gpu").fence()
                last.write(fence)
                allocate(Gfp.KERNEL, "a job")
                fence.signal()

        def client():
            fence = last.read()
            if fence is not None:
                fence.wait()

        machine.kthread(submit, "submit")
        machine.kthread(client, "client")

    answers = {one.predicted.code: one for one in predicted(shares, "d")}

    assert Outcome.UNKNOWN is answers["DF301"].outcome
    assert "others can find fence gpu:1" in answers["DF301"].limit


def test_what_is_public_later_is_learnt_from_runs():
    """Of two fences of a body the one that a task publishes is not public from the start."""

    @design
    def one_of_two(machine):
        first, second = Timeline("gpu").fence(), Timeline("gpu").fence()
        machine.kthread(second.publish, "submit")
        machine.kthread(first.signal, "handler")

    found = learnt(one_of_two)

    assert (1, set()) == (len(found.later), found.hidden)
