"""The validator: an instrument that watches locks, fences and contexts, and judges their order.

Nobody calls it; it listens (`dmabuf.contract.validator`). What it knows of lock order alone takes
plain acquisition records and knows nothing of tasks and runtimes: `order`, on `classes`,
`graph` and `usage`.
"""
