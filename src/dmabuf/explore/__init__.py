"""Which schedule next: search, diagnosis and explanation of driver designs.

`check` answers for one design: `phases` runs a `search` by one engine after the other, `diagnose`
names the rule. Around them:

| folder | holds |
|---|---|
| `strategies/` | the engines: a way to pick the next transition each |
| `states/` | what a state is, so that one is known again |
| `lassos/` | runs that never end |
| `explanations/` | the simplest schedule of a finding, told once more, and its token |
| `jobs/` | one search divided among workers |
| `foreign/` | designs as foreign code: found, imported and watched in a child process |
| `export/` | designs in the languages of other tools |
"""

from dmabuf.built import places

__path__[:0] = places("explore")
