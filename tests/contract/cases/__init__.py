"""Small programs, each with what the validator must say about it.

A comment `expect: DF202` on a line says that a finding with that leading ID is placed there, and
`suspect: DF205` the same of a suspicion. A case without such comments must stay quiet: near-misses
stand beside what they nearly are.
"""
