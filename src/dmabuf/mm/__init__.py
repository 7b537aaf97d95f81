"""The memory world: allocation that can mean reclaim, and everything that reclaim may call."""
