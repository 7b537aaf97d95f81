"""Every row of user-visible behaviour that is known, as data: ID, sentence, who decides it.

The first number of an ID is the section of the specification: 4 dma-buf, 5 sync_file, 6 dma-heap,
7 udmabuf, 8 sw_sync, 9 sync objects, 10 vgem, 11 cameras. A test says which rows it shows with
`@row("A4.01")`.

* OBJECTS decide a state, a result, an errno: the test runs against ours and the real kernel.
* FILES (descriptors, pointers, unknown numbers, /proc) are decided by a layer of ours that is still
  to come: the test runs against the real kernel only, and the row is open for `files/`.

A row on which the two systems differ names an entry of `dmabuf.differences`; its test writes both
answers down (`differing`), so that an entry which has become untrue fails.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import pytest

__all__ = ["ROWS", "By", "Row", "open_rows", "row"]


class By(enum.Enum):
    """Which layer decides."""

    OBJECTS = "objects"
    FILES = "files"


class Row(NamedTuple):
    """One row.

    Attributes:
        id: for ever.
        text: what happens.
        by: who decides.
        since: the oldest of the kernels read (6.1, 6.12) that answers so.
        difference: the symbol of the entry in `dmabuf.differences` where ours answers otherwise.
        lacks: what a stock 6.12 lacks for it, and the VM runner brings where it can.
    """

    id: str
    text: str
    by: By
    since: str = "6.1"
    difference: str = ""
    lacks: str = ""


_OBJECTS = """
A4.01 the size is that of the buffer
A4.02 SYNC without READ and WRITE, with unknown bits, or only END is EINVAL
A4.03 SYNC END without START is fine
A4.04 SYNC START and END of READ, WRITE and both work, also twice
A4.05 a name has up to 31 bytes, 32 are EINVAL and the old name stays
A4.06 a name may be set again, be empty, hold slashes and newlines
A4.07 poll of a buffer without fences: IN and OUT, whatever of them was asked for
A4.08 poll asked for neither IN nor OUT answers 0
A4.09 poll with a pending write fence: neither IN nor OUT, both once it signals
A4.10 poll with a pending read fence: IN, not OUT, both once it signals
A4.11 EXPORT_SYNC_FILE with no flag, END or an unknown one is EINVAL
A4.12 EXPORT_SYNC_FILE without fences gives one that is signalled
A4.13 EXPORT for READ is what writers owe, for WRITE and RW what all owe
A4.14 EXPORT of one fence is that fence; of several an array of all
A4.15 IMPORT_SYNC_FILE with no flag, END or an unknown one is EINVAL
A4.16 IMPORT of what is no sync_file is EINVAL, of -1 too
A4.17 IMPORT for READ leaves IN ready and takes OUT away
A4.18 IMPORT for WRITE and RW takes both away
A4.19 IMPORT of a signalled fence is fine and nobody waits
A4.20 IMPORT of a merged fence adds each fence inside by itself
A4.21 a fence imported in place of an older one of its context replaces it
A4.23 SYNC START does not wait for a fence that has signalled
A4.24 SYNC START waits for a pending write fence, whatever it begins
A4.25 SYNC START of a WRITE waits for a pending read fence, of a READ it does not
A4.26 SYNC END never waits
A5.01 poll is 0 while pending, POLLIN once signalled, never POLLOUT
A5.02 MERGE of two pending fences has both inside and signals with the second
A5.03 MERGE of a fence with itself keeps one
A5.04 MERGE of a signalled and a pending one is the pending one
A5.05 MERGE of two signalled ones is one signalled fence
A5.06 MERGE cuts the name to 31 bytes
A5.09 after MERGE both files stay valid, and may be closed
A5.10 FILE_INFO without room: name, status and the number only
A5.14 FILE_INFO status is 0 while one is pending, 1 when all have signalled
A5.15 FILE_INFO shows the plain fences inside arrays and chains
A5.16 FILE_INFO timestamp is 0 while pending and not after
A5.17 a signalled fence is shown with other names than a pending one
A5.18 SET_DEADLINE answers 0, also for past times and signalled fences
A5.20 a fence of vgem is unbound of vgem while pending
A5.21 the name is made of driver, timeline with context, and number
A5.23 the number in a made name has a sign and 64 bits
A5.22 the stub that stands for nothing pending is stub of stub
A6.01 the length is rounded up to pages
A6.02 length 0, and lengths that wrap to 0, are EINVAL
A6.03 heap flags are EINVAL
A6.04 foreign descriptor flags are EINVAL
A6.06 memory is zeroed
A6.07 what is written is read again
A6.08 a length that no machine has
A7.01 offset or size that is no multiple of a page is EINVAL
A7.02 size 0 is EINVAL
A7.03 an empty list is EINVAL
A7.04 a memfd number that is not open is EBADFD
A7.05 a descriptor of another kind is EBADFD
A7.06 a memfd that does not allow seals is EINVAL
A7.07 a memfd that may shrink is EINVAL
A7.08 a memfd sealed against writing, now or in future, is EINVAL
A7.09 a range past the end of the memfd is EINVAL
A7.10 more than the limit of 64 MiB is EINVAL
A7.11 more than 1024 items are EINVAL
A7.13 the memory is shared with the memfd in both directions
A7.14 a list is laid out in its order, and may have the same page twice
A7.15 alignment and size of all items are looked at before any descriptor
A7.16 a seal against writing afterwards is EBUSY
A7.17 SYNC END before any START is EINVAL
A9.01 handles count from 1 for each open file, and the lowest free one is given
A9.02 CREATE with unknown flags is EINVAL
A9.03 CREATE_SIGNALED makes one that is signalled
A9.04 DESTROY of an unknown handle is EINVAL, and so is pad
A9.05 HANDLE_TO_FD with pad, unknown flags or an unknown handle is EINVAL
A9.06 HANDLE_TO_FD is another name of the same object, seen in other files too
A9.07 EXPORT_SYNC_FILE of an unknown handle is ENOENT, without a fence EINVAL
A9.08 FD_TO_HANDLE of what is no sync object is EINVAL, and so are pad and unknown flags
A9.09 FD_TO_HANDLE always gives a new handle
A9.10 IMPORT_SYNC_FILE of what is no sync_file is EINVAL, into an unknown handle ENOENT
A9.11 IMPORT_SYNC_FILE replaces the fence, EXPORT_SYNC_FILE gives it back
A9.12 WAIT with unknown flags, AVAILABLE too, is EINVAL
A9.13 WAIT for nothing answers at once and leaves first as the caller had it
A9.14 WAIT with an unknown handle is ENOENT
A9.15 WAIT without a fence is EINVAL; with FOR_SUBMIT it runs out of time
A9.16 WAIT that runs out of time is ETIME; a past time is a look
A9.17 WAIT for any answers which is first; all waits for all
A9.18 WAIT for any with one that has no fence is EINVAL though another is signalled
A9.19 RESET and SIGNAL with no handles or pad are EINVAL
A9.20 RESET and SIGNAL with an unknown handle are ENOENT and do nothing
A9.21 RESET takes the fence out, pending or not
A9.22 SIGNAL puts a signalled fence in, also over a pending one
A9.23 QUERY of a binary or empty object is 0
A9.24 QUERY with unknown flags or no handles is EINVAL, with an unknown handle ENOENT
A9.25 TIMELINE_SIGNAL with flags or no handles is EINVAL, with an unknown handle ENOENT
A9.26 TIMELINE_SIGNAL puts a signalled point in, QUERY answers it
A9.27 a point that is not after the last is accepted, and QUERY stays
A9.28 point 0 is accepted
A9.29 TIMELINE_WAIT for a point that is not there is EINVAL; with FOR_SUBMIT or AVAILABLE ETIME
A9.30 TIMELINE_WAIT AVAILABLE needs the point only, signalled or not
A9.31 QUERY answers the last point before the first that is pending
A9.32 QUERY LAST_SUBMITTED answers the last point
A9.33 TIMELINE_WAIT for a number between points waits for the next one
A9.34 TIMELINE_WAIT without points means 0 everywhere
A9.35 TRANSFER with pad or unknown flags is EINVAL, with an unknown handle ENOENT
A9.36 TRANSFER of what is not there is EINVAL
A9.37 TRANSFER to point 0 replaces the fence, to another adds the point
A9.38 EVENTFD with unknown flags or pad is EINVAL, with an unknown handle ENOENT
A9.39 EVENTFD of what is no eventfd is EINVAL, of a closed number EBADF
A9.40 EVENTFD adds 1 once: when signalled, at once if it is, or with AVAILABLE when there
A9.41 an eventfd may be registered several times, each adds 1
A9.42 a reset object has forgotten its fence, whatever becomes of that
A9.43 a fence of a timeline exported as sync_file shows the plain fence
A9.44 WAIT that ends before its time does so once the fence signals
A9.45 HANDLE_TO_FD with the flag for points
A9.46 the deadline flag is accepted
A9.47 the fence of RESET object is gone for EXPORT_SYNC_FILE
A9.48 objects of one file are no handles of another
A9.50 TRANSFER with FOR_SUBMIT waits for the point, and after five seconds it is ETIME
A9.49 an eventfd registered before the point is there fires when it comes
A10.01 ATTACH with unknown flags or pad is EINVAL
A10.02 ATTACH to an unknown handle is ENOENT
A10.03 fences are numbered from 1
A10.04 over a pending write fence every ATTACH is EBUSY
A10.05 over a pending read fence another read is fine and a write EBUSY
A10.06 SIGNAL with flags is EINVAL, of an unknown or a signalled one ENOENT
A10.07 a signalled fence is no longer in the way
A10.08 after ten seconds a fence has signalled, with status 1
A10.09 SIGNAL of an expired fence is ETIMEDOUT, and the number is consumed
A10.10 closing the file signals its fences, with status 1
A10.11 two pending fences have contexts of their own
A11.01 QBUF of a length that a frame does not fit in is EINVAL, of a short buffer too
A11.02 QBUF of a length that the buffer does not have is EFAULT
A11.03 QBUF of what is no buffer, or not open, is EINVAL
A11.04 QBUF of a slot that is queued is EINVAL, until its frame was taken
A11.05 frames arrive in the buffer, of the slots in their order
A11.06 a camera puts no fence on a buffer, and waits for none
A11.07 DQBUF without a frame is EAGAIN, and EINVAL when it is not streaming
A11.08 STREAMOFF takes all slots back, which may be queued again
A11.09 REQBUFS while streaming is EBUSY
A11.10 a queued buffer stays when its descriptor is closed
A10.12 a buffer of another device can be imported and fenced
"""

_FILES = """
A4.40 lseek END 0 answers the size, SET 0 answers 0
A4.41 lseek to any other place is EINVAL
A4.42 read, write, fsync and ftruncate are EINVAL, pread is ESPIPE, fallocate ENODEV
A4.43 an unknown ioctl is ENOTTY
A4.44 mmap longer than the buffer, or from past its end, is EINVAL
A4.45 a writable mapping of a descriptor for reading is EACCES, a readable one is fine
A4.46 SYNC, EXPORT and SET_NAME with a bad address are EFAULT, and no descriptor leaks
A4.47 fdinfo has size, count and exp_name, and name once set
A4.48 the link is /dmabuf: and the name
A4.49 the size of fstat is the buffer's, the mode 0600, blocks follow the size
A4.50 EXPORT gives a descriptor that is closed on exec
A4.51 EXPORT without a free descriptor is EMFILE; bad flags are told before
A4.52 SET_NAME_A and _B both work
A4.53 statfs has the magic of dma-bufs
A4.54 several exports of one buffer have one inode
A4.55 a fence that poll has armed keeps the buffer
A4.22 two exports of one handle are one buffer
A5.07 MERGE with flags or pad is EINVAL
A5.08 MERGE with what is no sync_file, or no descriptor, is ENOENT
A5.11 FILE_INFO with too little room is EINVAL
A5.12 FILE_INFO with more room answers the true number
A5.13 FILE_INFO with flags or pad is EINVAL
A5.19 SET_DEADLINE with pad is EINVAL
A5.40 read is EINVAL, lseek ESPIPE, an unknown ioctl ENOTTY
A5.41 mmap is EACCES shared and writable, ENODEV readable
A5.42 MERGE and FILE_INFO with a bad address are EFAULT, and no descriptor leaks
A5.43 FILE_INFO with a bad address of the room is EFAULT
A5.44 MERGE without a free descriptor is EMFILE, before anything else is looked at
A5.45 the result of MERGE is closed on exec
A5.46 a name may be empty or hold any bytes
A6.05 a descriptor that is not 0 on entry is EINVAL
A6.40 an unknown number is EINVAL, whatever the magic
A6.41 shorter and longer arguments are accepted
A6.42 descriptor flags 0 give a buffer for reading only
A6.43 a bad address is EFAULT
A6.44 without a free descriptor EMFILE, after the checks of arguments
A6.45 the device cannot be sought in
A7.12 unknown flags are accepted
A7.40 a bad address is EFAULT, an unknown ioctl ENOTTY
A7.41 the descriptor is the result of the call, closed on exec if the flag says so
A7.42 a private mapping is EINVAL
A9.60 an unknown number is EINVAL, another magic ENOTTY
A9.61 shorter and longer arguments are zero-extended and cut
A9.62 unreadable handles and points are EFAULT
A9.63 poll of a sync object's descriptor answers IN and OUT
A9.64 HANDLE_TO_FD and EXPORT_SYNC_FILE give descriptors that are closed on exec
A9.65 without a free descriptor EMFILE
A10.13 importing a buffer twice gives the same handle
A10.14 export of an unknown handle is ENOENT, unknown flags are EINVAL
A10.15 import of what is no dma-buf is EINVAL
A10.16 a dumb buffer without pixels is EINVAL, of one pixel a page
A11.40 EXPBUF of a slot or plane that is not there, or with other flags, is EINVAL
A11.41 an exported slot is whole pages, and its exporter videobuf2_vmalloc
A11.42 slots may be let go of while their exports are open
A11.43 vgem imports an exported slot
A11.44 QBUF of a slot that is not there is EINVAL
A11.45 EXPBUF of slots that hold buffers of others is EINVAL
A10.40 vgem has no sync objects: EOPNOTSUPP, and the capability is 0
"""

_SW_SYNC = """
A8.01 a fence up to the value is signalled at once, also 2^31 and more ahead
A8.02 INC signals in order, modulo 2^32
A8.03 two pending fences of one number are one
A8.04 closing the timeline signals what is pending with -ENOENT
A8.05 GET_DEADLINE answers the earliest, ENOENT without, EINVAL for others
"""

_DIFFERENCES = {
    "A5.17": "dma_fence_timeline_name",
    "A5.22": "dma_fence_timeline_name",
    "A6.08": "dma_heap_buffer_alloc",
    "A9.45": "DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD",
}


_SINCE_6_12 = """
A5.18 A5.19 A9.13 A9.38 A9.39 A9.40 A9.41 A9.46 A9.49
"""
"""Calls and flags that came after 6.1, and answers that changed."""


def _rows(text: str, by: By, lacks: str = "") -> dict[str, Row]:
    split = (line.split(" ", 1) for line in text.strip().splitlines())
    later = _SINCE_6_12.split()
    return {
        key: Row(key, says, by, "6.12" if key in later else "6.1", _DIFFERENCES.get(key, ""), lacks)
        for key, says in split
    }


ROWS: dict[str, Row] = {
    **_rows(_OBJECTS, By.OBJECTS),
    **_rows(_FILES, By.FILES),
    **_rows(_SW_SYNC, By.OBJECTS, lacks="sw_sync"),
}
"""By ID."""


def row(*ids: str) -> Any:
    """Mark a test with the rows that it shows; all of them are decided by the same layer."""
    unknown = [one for one in ids if one not in ROWS]
    if unknown or not ids or len({ROWS[one].by for one in ids}) != 1:
        raise ValueError(f"rows of one layer, please: {', '.join(unknown or ids) or 'none named'}")
    return pytest.mark.row(*ids)


def open_rows() -> list[Row]:
    """What `files/` has to bring, which only the real kernel answers so far."""
    return [one for one in ROWS.values() if one.by is By.FILES]
