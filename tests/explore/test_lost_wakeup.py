"""Telling a lost wake-up from a long wait must not disturb the state that it asks about."""

from dmabuf import Shared, Status, WaitQueue, check_design, design


def test_lost_wakeup_question_leaves_announced_steps_alone():
    """A condition evaluated at rest does not touch the argument of another task's next step."""

    @design
    def asks(machine):
        queue, flag = WaitQueue("queue"), Shared(0, "flag")

        def application():
            flag.add(1)
            queue.wake_up()

        machine.userspace(application)
        machine.kthread(lambda: queue.wait_event(lambda: flag.read() > 0), "waiter", idle=True)

    verdict = check_design(asks, "asks")

    assert Status.PROVED is verdict.status
