"""What the kernel does outside of the audited folders: found, linked, walked, kept."""
