"""Run a command under a real Linux kernel, in a virtual machine over this machine's own files.

    python -m tools.vm --load vgem,virtio-gpu --device virtio-gpu-pci -- python3 -c "print(1)"

The guest sees the host's root file system, read-only below a layer that is thrown away, so the
host's Python, this checkout and any virtual environment are there as they stand. The command is
root in the guest; nothing is installed in it. Output and exit status come back, and whatever the
command writes below `$OUT`.

Modules, bottom up: `need` (what is missing, and the remedy), `archive` (the first file system),
`modules` (which .ko files, in which order), `kernel` (where a kernel comes from), `sw_sync` (a
module that stock kernels leave out), `guest` (what runs inside), `machine` (the emulator). Only
`machine`, `kernel` and `sw_sync` start programs.
"""
