"""The parser under C that nobody would write: it may lose some, but never fails and never hangs.

`python -m tests.audit.fuzz [--seconds 600] [--seed 1] [FILE ...]` mutates files, or the snippet
below, and stops at the first input that makes `extract` raise, take too long, or answer what cannot
be kept.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from dmabuf.audit.front import code
from dmabuf.audit.front.across import across
from dmabuf.audit.front.extract import extract
from dmabuf.audit.front.packing import is_deep, pack, unpack

SNIPPET = b"""#include <linux/foo.h>
#define my_lock(x) do { mutex_lock(&(x)->m); } while (0)
#define MAKE(name, ...) static int name##_show(void) { return f(#name, ##__VA_ARGS__); }
struct foo { int a:3, b; struct { int c; } in; union { u32 x; struct bar *y; };
	void (*cb)(struct work_struct *w); DECLARE_BITMAP(mask, 10); } __packed;
typedef int (*fn_t)(struct foo *, u32);
static const struct ops ops = { .run_job = run, .sub = { .a = b, }, [3 ... 5] = { 1 }, };
#ifdef CONFIG_A
MAKE(one, 1)
#else
static inline int one(void) { return 0; }
#endif
static __must_check int run(struct foo __user *f, gfp_t gfp)
{
	struct bar *p __free(kfree) = NULL, *q;
	guard(mutex)(&f->m);
	scoped_guard(spinlock, &f->l) { foo(f); }
	scoped_cond_guard(mutex_intr, return -EINTR, &f->k) bar();
	list_for_each_entry(p, &f->head, link) {
		if (p->x && try(p) || !q)
			continue;
		else if (y) { z(); } else my_lock(f);
	}
#if IS_ENABLED(CONFIG_X)
	cx();
#elif defined(Y)
	cy();
#endif
	do { if (w()) break; } while (n--);
	for (int i = 0; i < n; i++) { (void)ioread32((u8 *)f->base + 4); }
	switch (n) { case 1: case 2 ... 4: a(); break; default: b(); }
	x = ({ typeof(n) _t = g(n); _t; }) ? : sizeof(struct foo) << 2;
	p->ops->run(p, container_of(f, struct drm_foo, base), u32 *);
	asm volatile("nop" ::: "memory");
out:
	return err ? f->e[3] : (struct foo){ .a = 1 }.a;
}
EXPORT_SYMBOL(run)
SYSCALL_DEFINE2(foo, int, a, const char __user *, b) { return 0; }
"""
PIECES = [
    *(
        b"(",
        b")",
        b"{",
        b"}",
        b"[",
        b"]",
        b";",
        b",",
        b"#",
        b"##",
        b"#if A\n",
        b"#else\n",
        b"#endif\n",
    ),
    *(
        b'"',
        b"'",
        b"\\",
        b"\\\n",
        b"/*",
        b"*/",
        b"//",
        b"\0",
        b"\xff",
        b"\r",
        b"?",
        b":",
        b"=",
        b"->",
    ),
    *(b"...", b"struct ", b"typedef ", b"if ", b"else ", b"do ", b"while(", b"case ", b"return "),
    *(b"#define A(x) ", b"A(", b"guard(", b"scoped_guard(", b"for_each(", b"sizeof", b"_Generic("),
    *(
        b"__attribute__((",
        b"asm(",
        b"goto ",
        b"({",
        b"})",
        b"(u32)",
        b"*",
        b"&",
        b"1e",
        b"0x",
        b"@",
    ),
]
SECONDS_PER_MB = 60.0
"""More time for a megabyte than this is a hang."""


def mutated(source: bytes, chance: random.Random) -> bytes:
    """The source with some of it cut, doubled, moved or replaced."""
    data = bytearray(source)
    for _ in range(chance.randint(1, 12)):
        at, size = chance.randrange(len(data) + 1), chance.randint(1, 60)
        kind = chance.randrange(6)
        if kind == 0:
            del data[at : at + size]
        elif kind == 1:
            data[at:at] = chance.choice(PIECES)
        elif kind == 2:
            data[at:at] = chance.choice(PIECES) * chance.randint(1, 400)
        elif kind == 3:
            there = chance.randrange(len(data) + 1)
            data[at:at] = data[there : there + size]
        elif kind == 4:
            data[at : at + size] = chance.randbytes(size)
        else:
            data[at:] = data[at : at + 2000]
    return bytes(data[:20_000])


def check(data: bytes) -> str:
    """What is wrong with what `extract` makes of these bytes; "" for nothing."""
    begun = time.process_time()
    facts = extract("x.c", data)
    took = time.process_time() - begun
    if took > 1 + SECONDS_PER_MB * len(data) / 1e6:
        return f"took {took:.1f} s"
    if unpack(pack(facts)) != facts:
        return "does not survive being kept"
    for function in facts.functions:
        if wrong := unbalanced(function.code):
            return f"{function.name}: {wrong}"
    return "" if not any(is_deep(one.value) for one in facts.variables) else "too deep"


def unbalanced(instructions: code.Code) -> str:
    """Whether structure is closed as it was opened, and nothing is too deep."""
    opened: list[int] = []
    for one in instructions:
        if is_deep(one):
            return "too deep"
        if one[0] in (code.IF, code.LOOP, code.SWITCH, code.BLOCK):
            opened.append(one[0])
        elif one[0] == code.ELSE and (not opened or opened[-1] != code.IF):
            return f"ELSE in line {one[1]} without IF"
        elif one[0] == code.END:
            if not opened:
                return f"END in line {one[1]} closes nothing"
            opened.pop()
    return f"{len(opened)} without END" if opened else ""


HEADER = b"""
#define DEFINE_SHOW(n) static int n##_open(struct file *f) { return g(f, n##_show); } \\
static const struct ops n##_fops = { .open = n##_open, }
#define DEFINE_TWO(n, ...) DEFINE_SHOW(n) DEFINE_SHOW(n##_b) DEFINE_MUTEX(n)
#define DEFINE_MUTEX(n) struct mutex n = __MUTEX_INITIALIZER(n)
"""
CALLS = b"""
static DEFINE_MUTEX(a);
DEFINE_SHOW(b);
DEFINE_TWO(c, 1, "x", { 2 })
int last(void) { }
"""


def check_across(seed: int, rounds: int = 20) -> str:
    """What is wrong with the answers about mutated macros and their calls; "" if nothing."""
    chance = random.Random(seed)
    for _ in range(rounds):
        header, calls = mutated(HEADER, chance), mutated(CALLS, chance)
        files = {"include/a.h": extract("include/a.h", header), "c.c": extract("c.c", calls)}
        for facts in across(files).values():
            if unpack(pack(facts)) != facts:
                return f"{header!r} and {calls!r}: cannot be kept"
            if any(is_deep(one.value) for one in facts.variables):
                return f"{header!r} and {calls!r}: too deep"
    return ""


def main() -> None:
    """Run until something is wrong or the time is up."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("files", nargs="*", type=Path)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    sources = [path.read_bytes()[:20_000] for path in given.files] or [SNIPPET]
    end, seed = time.monotonic() + given.seconds, given.seed
    while time.monotonic() < end:
        chance = random.Random(seed)
        data = mutated(chance.choice(sources), chance)
        try:
            wrong = check(data) or check_across(seed, 1)
        except Exception as error:  # noqa: BLE001 - any is a finding
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            Path("fuzz.c").write_bytes(data)
            raise SystemExit(f"seed {seed}: {wrong}; the input is in fuzz.c")
        seed += 1
    print(f"{seed - given.seed} inputs, none of them wrong")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
