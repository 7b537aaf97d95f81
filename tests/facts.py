"""What the kernel does, fact by fact, as far as our objects mirror it: the checklist of tests.

A test says which facts it shows, `@fact("F1.07")`; tests/test_facts.py fails for a fact without a
test. The first number is the chapter: 1 dma_fence, 2 dma_fence_chain, 3 dma_fence_array, 4
unwrapping and merging, 8 the annotation of signalling sections.

A fact about a returned number is stated in its Python form: -EINVAL is an `OSError`, "not added"
is None, jiffies are nanoseconds, and there are no NULL arguments but values that are no fence or
no function. Left out: what the kernel leaves undefined, and -ENOMEM of an array that Python
does not allocate.
"""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["FACTS", "fact"]

FACTS = {
    # --- init and contexts
    "F1.01": "a new fence has one reference",
    "F1.02": "a new fence has no flag set",
    "F1.03": "a new fence has no error",
    "F1.04": "a new fence has no callbacks",
    "F1.05": "operations without a driver name are refused when the fence is initialised",
    "F1.06": "operations without a timeline name are refused when the fence is initialised",
    "F1.07": "without a lock given, each fence has a lock of its own",
    "F1.08": "a lock given from outside is the fence's lock, also of several fences",
    "F1.09": "a fence initialised as 64 bit has its seqno compared as 64 bit",
    "F1.10": "context_alloc(n) reserves n consecutive contexts and answers the first",
    "F1.11": "context_alloc(0) warns",
    "F1.12": "contexts are counted from 1",
    "F1.13": "context 0 is the stub's",
    # --- states
    "F1.14": "flags (enabled, signalled, timestamp) are set and never cleared",
    "F1.15": "whoever sees a fence signalled gets its final timestamp",
    "F1.16": "asking a pending fence for its timestamp warns",
    "F1.17": "asking a pending fence for its timestamp answers now",
    "F1.18": "after the signal there is no callback list any more",
    # --- signal
    "F1.19": "signal answers nothing, the first time and later",
    "F1.20": "signalling what is no fence is an error",
    "F1.21": "check_and_signal answers whether the fence was signalled already",
    "F1.22": "check_and_signal_locked answers the same, for a holder of the lock",
    "F1.23": "a second signal changes nothing: not the time, no callback runs again",
    "F1.24": "signal takes the fence's lock",
    "F1.25": "signal is a signalling section of its own",
    "F1.26": "signal with a timestamp is not a signalling section",
    "F1.27": "signal with a timestamp records that time",
    "F1.28": "signal_locked leaves the lock with its caller",
    # --- callbacks at the signal
    "F1.30": "callbacks run in order of adding",
    "F1.31": "callbacks run in the signaller's context",
    "F1.32": "callbacks run with the fence's lock held",
    "F1.33": "callbacks run with interrupts off",
    "F1.34": "a callback is off the list before it runs",
    "F1.35": "the list is detached before the first callback runs",
    "F1.36": "a waiter is woken before the callbacks run, for its entry is at the head",
    "F1.37": "a waiter returns after the callbacks have run, for it takes the lock",
    # --- add and remove
    "F1.40": "add_callback answers a handle, and the callback runs once at the signal",
    "F1.41": "add_callback to a signalled fence adds nothing and the callback is never called",
    "F1.42": "add_callback refuses what is no function with EINVAL",
    "F1.43": "add_callback turns signalling on first",
    "F1.44": "add_callback signals the fence and adds nothing if the driver says it is done",
    "F1.45": "remove_callback answers true for a queued callback, which then never runs",
    "F1.46": "remove_callback answers false for a callback that ran or was removed",
    # --- enabling
    "F1.50": "the enable hook is called at most once for each fence",
    "F1.51": "the enable hook runs under the fence's lock",
    "F1.52": "a false answer of the enable hook signals the fence at once",
    "F1.53": "without an enable hook signalling is always on",
    "F1.54": "enable_signaling is known by its old kernel name too",
    # --- looking
    "F1.60": "is_signaled answers the flag without asking the driver",
    "F1.61": "is_signaled asks the driver's hook about a pending fence",
    "F1.62": "a true answer of the hook signals the fence and runs its callbacks",
    "F1.63": "is_signaled does not turn signalling on, so it may answer no for ever",
    "F1.64": "status is 0 while the fence is pending",
    "F1.65": "status is 1 once it has signalled without an error",
    "F1.66": "status is the negative error once it has signalled with one",
    "F1.67": "an error set before the signal does not show in the status until the signal",
    "F1.68": "asking for the status can signal the fence",
    "F1.69": "setting the error of a signalled fence warns",
    "F1.70": "an error that is not in -4095..-1 warns",
    # --- waiting
    "F1.75": "a wait with a negative timeout warns",
    "F1.76": "a wait with a negative timeout fails with EINVAL",
    "F1.77": "a wait turns signalling on",
    "F1.78": "a wait for a signalled fence answers what is left of the timeout",
    "F1.79": "a wait without time for a signalled fence answers 1",
    "F1.80": "a wait whose time runs out answers 0",
    "F1.81": "an interruptible wait ends when a signal is pending",
    "F1.82": "a wait that is not interruptible goes on when a signal is pending",
    "F1.83": "a signalled fence is seen before a pending signal",
    "F1.84": "a pending signal is seen before the end of a timeout of 0",
    "F1.85": "the error of a fence is no result of a wait",
    "F1.86": "a wait without a timeout ends only with the signal, or with a pending signal",
    "F1.87": "a driver's own wait hook replaces the default wait",
    # --- waiting for any
    "F1.90": "wait_any of nothing, or with a negative timeout, warns",
    "F1.91": "wait_any of nothing, or with a negative timeout, fails with EINVAL",
    "F1.92": "wait_any without time only asks is_signaled: no callbacks, no enabling",
    "F1.93": "wait_any adds its callbacks in order, so turns signalling on in order",
    "F1.94": "wait_any answers the index of a fence that is done already",
    "F1.95": "wait_any stops adding callbacks at a fence that is done already",
    "F1.96": "wait_any answers the lowest index of those signalled when it wakes",
    "F1.97": "wait_any whose time runs out answers none, even if a fence signals just then",
    "F1.98": "wait_any ends when a signal is pending",
    "F1.99": "wait_any takes its callbacks back",
    "F1.100": "wait_any takes fences with a wait hook of their own",
    # --- order
    "F1.110": "is_later of two contexts warns and answers no",
    "F1.111": "seqnos compare as signed 32-bit differences",
    "F1.112": "an equal seqno is not later",
    "F1.113": "later_or_same is also true for the same object, not for an equal seqno",
    "F1.114": "later answers the later of two fences",
    "F1.115": "later answers none if the later one is signalled, even if the other is not",
    # --- the stub
    "F1.120": "there is one stub",
    "F1.121": "the stub is signalled from the start",
    "F1.122": "the stub has context 0 and seqno 0",
    "F1.123": "the stub is called stub where names survive the signal",
    "F1.124": "a private stub is a new object",
    "F1.125": "a private stub has the timestamp asked for",
    # --- deadlines, description, names, operations
    "F1.130": "a deadline without a hook for it is nothing",
    "F1.131": "a deadline for a signalled fence does not reach the driver",
    "F1.132": "a deadline reaches the driver without the lock held",
    "F1.133": "deadlines reach the driver any number of times, the earliest is its business",
    "F1.134": "describe prints context:seqno, timeline, driver and state",
    "F1.135": "describe prints no names once the fence is signalled",
    "F1.136": "a pending fence answers the driver's names",
    "F1.137": "a signalled fence answers detached-driver and signaled-timeline",
    "F1.138": "operations without release and wait are detached by the signal",
    "F1.139": "operations with release or with wait stay",
    # --- lifetime
    "F1.140": "no reference can be taken where none is left",
    "F1.141": "the last put calls the release hook, also in irq context",
    "F1.142": "the last put of a pending fence with callbacks warns, naming it in full",
    "F1.143": "the last put of a pending fence with callbacks sets the error -EDEADLK",
    "F1.144": "the last put of a pending fence with callbacks runs them, then releases it",
    "F1.145": "the last put of a pending fence without callbacks is silent",
    # --- RCU
    "F1.150": "names of a pending fence are read only under RCU",
    "F1.151": "describe reads the names under RCU of its own",
    "F1.152": "a reader may try to take a reference to a fence that has none left, and gets none",
    "F1.153": "get_rcu_safe answers a fence that the pointer named after it was referenced",
    "F1.154": "get_rcu_safe of an empty pointer is none",
    "F1.155": "get_rcu_safe gives back a reference to what the pointer names no more",
    "F1.156": "without a release hook a fence is freed a grace period after its last put",
    "F1.157": "looking at a fence under RCU takes no lock",
    # --- dma_fence_chain: making nodes
    "F2.01": "a node with a later number than the chain before it has the same context",
    "F2.02": "such a node records the number before it, and keeps it when that node is collected",
    "F2.03": "the numbers of a chain compare as 64 bit",
    "F2.04": "a node without a chain before it starts a context, with no number before it",
    "F2.05": "a node whose number is not later starts a context, with no number before it",
    "F2.06": "such a node has the larger of the two numbers",
    "F2.07": "what comes before a node may be a plain fence",
    "F2.08": "a chain contained in a node warns",
    "F2.09": "an array may be contained in a node",
    "F2.10": "a chain's driver is dma_fence_chain and its timeline unbound",
    "F2.11": "memory for a node is allocated with GFP_KERNEL, and initialising it needs none",
    "F2.12": "without memory for a node the caller has ENOMEM",
    "F2.13": "the contained fence of a node is its own, and any other fence contains itself",
    "F2.14": "a chain is still known as one after its signal",
    # --- find_seqno
    "F2.20": "point 0 is the fence that was given, chain or not",
    "F2.21": "a point of what is no chain is EINVAL",
    "F2.22": "a point beyond the head's number is EINVAL",
    "F2.23": "a point is the node whose number before it is smaller",
    "F2.24": "finding a point stops at a node of another context",
    "F2.25": "a point up to which all is signalled and collected is none, and no error",
    "F2.26": "a point after the number before the head is the head, even if it is signalled",
    # --- walking
    "F2.30": "walking leads to the next node back whose contained fence is pending",
    "F2.31": "walking collects the nodes in between, so middle nodes vanish first",
    "F2.32": "walking collects a signalled plain fence at the chain's end",
    "F2.33": "walking from what is no node leads nowhere",
    "F2.34": "walks at the same time leave every pending fence in the chain",
    "F2.35": "an exchange that another walk came before changes nothing",
    # --- signalling
    "F2.40": "a node is signalled when every contained fence from it to the end is, not before",
    "F2.41": "enabling hooks one callback, on the first pending contained fence from the head back",
    "F2.42": "the callback only queues irq work, which hooks on to the next pending fence",
    "F2.43": "the irq work signals the node when no contained fence is pending",
    "F2.44": "a chain signals after, not inside, the last contained fence's signal",
    "F2.45": "enabling a chain of signalled fences signals it at once",
    "F2.46": "errors of contained fences do not show on the node",
    "F2.47": "a deadline goes to every contained fence of the walk",
    # --- release
    "F2.50": "a node that is released puts its fence and the node before it",
    "F2.51": "release goes on, without recursion, while it owns the last reference",
    "F2.52": "release stops at a node that somebody else refers to",
    "F2.53": "an enabled chain keeps a reference to itself until it has signalled",
    # --- dma_fence_array
    "F3.01": "an array takes over the references of its members and puts them when released",
    "F3.02": "an array of no fences warns",
    "F3.03": "a container as a member of an array warns",
    "F3.04": "an array's driver is dma_fence_array and its timeline unbound",
    "F3.05": "an array signals when its last member has signalled",
    "F3.06": "the last member's callback only queues irq work, which signals in irq context",
    "F3.07": "enabling counts members that are signalled already",
    "F3.08": "enabling an array of signalled members signals it at once",
    "F3.09": "the first error that a member's callback reports is the array's",
    "F3.10": "later errors of members are ignored",
    "F3.11": "an array of members without errors has none",
    "F3.12": "an error found when signalling is enabled is the array's as well",
    "F3.13": "an array that nobody enabled, asked when all is done, collects no errors: status 1",
    "F3.14": "with signalling on, asking looks at the count, not at the members",
    "F3.15": "a deadline goes to every member",
    "F3.16": "an array matches a context that all its members have, another fence its own",
    "F3.17": "the first member of an array is its first, of any other fence the fence itself",
    "F3.18": "the next member of an array is by index, of any other fence there is none",
    "F3.19": "an array is still known as one after its signal",
    "F3.20": "memory for an array is allocated with GFP_KERNEL, and initialising it needs none",
    "F3.21": "without memory for an array the caller has ENOMEM",
    "F3.22": "an enabled array of no fences is signalled when asked, and not before",
    "F3.23": "an enabled array keeps a reference to itself until it has signalled",
    # --- unwrapping and merging
    "F4.01": "a plain fence unwraps to itself, nothing to nothing",
    "F4.02": "a chain unwraps from the head back, each node to its fence or that array's members",
    "F4.03": "unwrapping collects the signalled nodes behind the head",
    "F4.04": "an array of no fences ends the unwrapping",
    "F4.05": "a merge leaves signalled fences out",
    "F4.06": "a merge of signalled fences is a private stub with the latest of their timestamps",
    "F4.07": "a merge of nothing is a private stub with timestamp 0",
    "F4.08": "a merge with one pending fence is that fence, before anything is allocated",
    "F4.09": "what a merge answers is referenced for the caller",
    "F4.10": "a merge keeps of each context only the newest fence",
    "F4.11": "a merge of one context is its newest fence itself",
    "F4.12": "a merge of several contexts is an array in ascending order of context",
    "F4.13": "the array of a merge has a new context and the number 1",
    "F4.14": "without memory a merge fails, ENOMEM",
    "F4.15": "dedup_array does the same to any list: ascending contexts, the newest of each",
    # 7. sync_file
    "F7.01": "a sync file takes a reference of its own, released with it",
    "F7.02": "merging sync files merges what is inside their fences",
    "F7.03": "a name is cut to 31 characters",
    "F7.04": "without a name one is made: driver-timeline, the context, dash, the number",
    "F7.05": "poll arms one callback, once",
    "F7.06": "the callback goes when the file is released",
    # --- signalling sections
    "F8.01": "begin inside a section records nothing and answers true",
    "F8.02": "begin in atomic context records nothing and answers true",
    "F8.03": "begin elsewhere records the section and answers false",
    "F8.04": "end with a true cookie does nothing",
    "F8.05": "end with a false cookie ends the section",
    "F8.06": "sections nest freely",
    "F8.07": "a false cookie handed to an inner end closes the outer section early",
    "F8.08": "under a spinlock or in a handler no section is ever recorded",
}


def fact(*ids: str) -> Any:
    """Mark a test with the facts that it shows."""
    unknown = [one for one in ids if one not in FACTS]
    if unknown or not ids:
        raise ValueError(f"no such fact: {', '.join(unknown) or 'none named'}")
    return pytest.mark.fact(*ids)
