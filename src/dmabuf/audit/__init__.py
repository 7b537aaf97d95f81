"""The auditor: the rules of the fence contract, looked for in C source of a kernel tree.

Read from the bottom: `front` turns files into facts, `program` links them, `ways` finds what is
done on a way, `checks` knows which ways the contract forbids. docs/design/0020 has the reasons.
"""
