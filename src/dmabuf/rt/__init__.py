"""How tasks run: the guarded atomic step, on real threads or under a strategy's schedule.

`api` is the interface, `threads` the live runtime, `tasks` the explored one; `carriers`, `clock`
and `ambient` serve them. See docs/design/0002-the-guarded-step.md.
"""

from dmabuf.built import places

__path__[:0] = places("rt")
