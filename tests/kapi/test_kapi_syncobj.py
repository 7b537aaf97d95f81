"""Sync objects and sync files by their C names."""

import errno
import re

import pytest

from dmabuf import FenceChain, Timeline, kapi
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_handles import SyncObjFile
from tests.core.drivers import no_memory, pending
from tests.kernel_source import needs_source, source

DECLARED = r"^(?!\s\*)[\w *]*?\b(drm_syncobj_\w+|sync_file_\w+)\("
SIGNALED = 1
FOR_SUBMIT = 2


def opened():
    """An open render node."""
    file_private = kapi.drm_file()
    kapi.drm_syncobj_open(file_private)
    return file_private


def test_syncobj_create_answers(rt):
    """0 and the object, -ENOMEM and nothing."""

    def main():
        fence, found = pending(), []
        answers = [kapi.drm_syncobj_create(found, 0, fence)]
        inside = kapi.drm_syncobj_fence_get(found[0])
        answers.append(kapi.drm_syncobj_create(found, SIGNALED, None))
        signalled = kapi.dma_fence_is_signaled(kapi.drm_syncobj_fence_get(found[0]))
        no_memory(rt)
        answers.append(kapi.drm_syncobj_create(found, 0, None))
        return answers, inside is fence, signalled

    assert ([0, 0, -errno.ENOMEM], True, True) == rt.run(main)


def test_syncobj_points_and_fences(rt):
    """A point is added with memory got before; a fence is replaced."""

    def main():
        obj, chain, fence = SyncObj(), FenceChain.alloc(), pending()
        kapi.drm_syncobj_add_point(obj, chain, fence, 4)
        first = kapi.drm_syncobj_fence_get(obj) is chain
        kapi.drm_syncobj_replace_fence(obj, fence)
        return first, chain.seqno, kapi.drm_syncobj_fence_get(obj) is fence

    assert (True, 4, True) == rt.run(main)


def test_syncobj_find_fence_answers(rt):
    """0, -ENOENT, -EINVAL, -ERESTARTSYS."""

    def main():
        file_private, obj, handle, fence = opened(), SyncObj(), [], []
        find = lambda *how: kapi.drm_syncobj_find_fence(file_private, *how, fence)  # noqa: E731
        answers = [kapi.drm_syncobj_get_handle(file_private, obj, handle), find(2, 0, 0)]
        answers += [find(1, 0, 4), find(1, 0, 0)]
        rt.interrupt(rt.current())
        answers.append(find(1, 0, FOR_SUBMIT))
        rt.current().signal_pending = False
        kapi.drm_syncobj_replace_fence(obj, pending())
        answers.append(find(1, 0, FOR_SUBMIT))
        same = kapi.drm_syncobj_find(file_private, 1) is obj
        kapi.drm_syncobj_release(file_private)
        return answers, handle, fence == [obj.fence], same, kapi.drm_syncobj_find(file_private, 1)

    missing = [-errno.EINVAL] * 2
    answers = [0, -errno.ENOENT, *missing, -kapi.ERESTARTSYS, 0]
    assert (answers, [1], True, True, None) == rt.run(main)


def test_syncobj_get_fd_answers(rt):
    """A descriptor of the calling process, which has a reference."""

    def main():
        obj, fd = SyncObj(), []
        answers = [kapi.drm_syncobj_get_fd(obj, fd)]
        file = kapi.fget(fd[0])
        counted = obj.references
        file.put()
        answers.append(kapi.close_fd(fd[0]))
        kapi.drm_syncobj_get(obj)
        kapi.drm_syncobj_put(obj)
        return answers, isinstance(file, SyncObjFile), counted, obj.references

    assert ([0, 0], True, 2, 1) == rt.run(main)


def test_timeout_in_jiffies(explored):
    """0 for what is past, one more than there is, and no end for the largest."""

    def main():
        explored.nap(1)
        ask = kapi.drm_timeout_abs_to_jiffies
        return ask(0), ask(-1), ask(10**9), ask(2 * 10**9), ask(2**63 - 1)

    expected = (0, 0, 0, kapi.HZ + 1, kapi.MAX_SCHEDULE_TIMEOUT - 1)
    assert expected == explored.run(main)


def test_sync_file_by_descriptor(rt):
    """NULL for a descriptor that is none, or of something else."""

    def main():
        fence = Timeline("ring0", driver="gpu", context=7).fence_at(3)
        file, other = kapi.sync_file_create(fence), []
        number = kapi.get_unused_fd_flags(0)
        kapi.fd_install(number, file)
        kapi.drm_syncobj_get_fd(SyncObj(), other)
        found = [kapi.sync_file_get_fence(fd) for fd in (number, other[0], 99)]
        buf = []
        names = kapi.sync_file_get_name(file, buf, 32), kapi.sync_file_get_name(file, [], 5), buf
        no_memory(rt)
        return found == [fence, None, None], names, kapi.sync_file_create(fence)

    assert (True, ("gpu-ring07-3", "gpu-", ["gpu-ring07-3"]), None) == rt.run(main)


@needs_source
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kapi_has_all_of_the_syncobj_headers():
    """Every function of drm_syncobj.h and sync_file.h, and what their sources export."""
    headers = {"include/drm/drm_syncobj.h", "include/linux/sync_file.h"}
    theirs = set()
    for name in (*headers, "drivers/gpu/drm/drm_syncobj.c", "drivers/dma-buf/sync_file.c"):
        if name in headers:
            theirs |= set(re.findall(DECLARED, source(name), re.MULTILINE))
        theirs |= set(re.findall(r"EXPORT_SYMBOL(?:_GPL)?\((\w+)\)", source(name)))

    assert len(theirs) > 12
    assert set() == theirs - set(kapi.functions())
