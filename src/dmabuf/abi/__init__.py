"""Numbers and layouts of the kernel's uAPI, under the names of its headers, and nothing else.

One module a header; its first line names it. A struct of C is a class of the same name whose
fields read as in the header (`layout`), an ioctl number is made by the macros of `ioc`. Layouts
are those of the newest kernel read (7.3); `OLDER_SIZES` says how long a struct was before it grew
at its end. What the kernel does with the numbers is not here.

    >>> from dmabuf.abi.dma_buf import DMA_BUF_IOCTL_SYNC, DMA_BUF_SYNC_READ, dma_buf_sync
    >>> hex(DMA_BUF_IOCTL_SYNC)
    '0x40086200'
    >>> dma_buf_sync.unpack(dma_buf_sync(flags=DMA_BUF_SYNC_READ).pack())
    dma_buf_sync(flags=1)

**Why not `ctypes`.** The bytes come from and go to other processes: they are read once, checked
and answered, never memory that is shared. `ctypes` cuts numbers that do not fit (`c_uint32(2**32)`
is 0) and names at their first NUL, lays out as the host's compiler would instead of as the header
says, and tells type checkers nothing about its fields. Here a number that does not fit is an error,
every byte that C has a name for is kept, and fields are annotated attributes. Import time decided
nothing: `ctypes` takes 2 ms, `layout` 2 ms and each header 0.5 ms. (As dataclasses, at 0.8 ms a
struct, all of them would take 20 ms more.) What `ctypes` does better, writing in place, nothing
here needs.

**What it holds for.** Native byte order; the encoding of ioctl numbers that x86, Arm and RISC-V
share (`asm-generic`; MIPS, PowerPC and SPARC have another); 64-bit programs. 32-bit programs have
another `drm_version` (it holds pointers) and the same of everything else.

Mirrors: include/uapi
"""
