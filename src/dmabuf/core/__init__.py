"""Kernel-faithful objects of the dma-buf subsystem, one file per kernel file."""
