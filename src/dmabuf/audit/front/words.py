"""Words of C and of the kernel's C that the parser must know."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTE_CALLS",
    "KEYWORDS",
    "LOOP_NAME",
    "NUMERIC",
    "QUALIFIERS",
    "TYPES",
    "is_type_name",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that are left out wherever a type is read.
QUALIFIERS: Final = _words(
    """const volatile restrict __restrict __restrict__ static extern register inline __inline
    __inline__ __always_inline noinline typedef auto __volatile__ __const _Noreturn _Thread_local
    __thread"""
)
# Words that make one type together: `unsigned long long`.
NUMERIC: Final = _words("char short int long float double signed unsigned __signed__")
TYPES: Final = (
    QUALIFIERS
    | NUMERIC
    | _words(
        """void _Bool bool struct union enum typeof __typeof__ typeof_unqual __auto_type
        u8 u16 u32 u64 s8 s16 s32 s64 __u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64 size_t ssize_t
        loff_t gfp_t dma_addr_t phys_addr_t resource_size_t uint ulong ushort uint8_t uint16_t
        uint32_t uint64_t int8_t int16_t int32_t int64_t uintptr_t intptr_t ptrdiff_t pgoff_t
        __le16 __le32 __le64 __be16 __be32 __be64 fmode_t umode_t ktime_t"""
    )
)
KEYWORDS: Final = _words(
    """if else for while do switch case default return goto break continue sizeof asm __asm__ __asm
    _Alignof __alignof__ _Generic"""
)
# Attributes that take arguments, or may.
ATTRIBUTE_CALLS: Final = _words(
    """__printf __scanf __counted_by __counted_by_le __counted_by_be __acquires __releases
    __must_hold __cond_acquires __attribute__ __attribute __section __alloc_size __realloc_size
    __assume_aligned __alias __copy __aligned __guarded_by __sized_by __malloc __nonnull
    __compiletime_error __compiletime_warning __error __warning __no_sanitize __diagnose_as"""
)
ATTRIBUTES: Final = ATTRIBUTE_CALLS | _words(
    """__init __exit __initdata __initconst __exitdata __devinit __must_check __maybe_unused
    __always_unused __used __unused __iomem __user __kernel __percpu __rcu __force __bitwise
    __nocast __safe __private __pure __attribute_const__ __cold __hot __weak __packed
    __cacheline_aligned ____cacheline_aligned ____cacheline_aligned_in_smp
    __cacheline_aligned_in_smp __read_mostly __ro_after_init __refdata __ref __sched __noreturn
    __visible __no_sanitize_address __noclone __flatten __deprecated __randomize_layout
    __designated_init __read_overflow __nonstring __noendbr __no_kcsan __no_kasan_or_inline
    noinline_for_stack noinstr notrace asmlinkage __lockfunc __net_init __net_exit __meminit
    __cpuinit __latent_entropy randomized_struct_fields_start randomized_struct_fields_end
    __no_context_analysis __extension__ __kprobes __init_or_module VISIBLE_IF_KUNIT __bpf_kfunc
    __nocfi __no_stack_protector __overloadable __gnu_inline __acquire __release"""
)
LOOP_NAME: Final = re.compile(
    r"for_?each|^for_|_for_|_for$|_until_|_while_|^loop_|_loop$|_retry$", re.IGNORECASE
).search

_TYPE_NAME = re.compile(r"_t$|^(?:__)?[usUS](?:8|16|32|64)$|^u?int\d+$").search


def is_type_name(name: str) -> bool:
    """Whether a name looks like that of a type."""
    return name in TYPES or _TYPE_NAME(name) is not None
