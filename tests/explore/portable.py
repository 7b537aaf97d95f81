"""Prints what the shipped example and the first design of each rule come to; run by test_token.

python tests/explore/portable.py [greenlet|threads]
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import lock_across_wait

from dmabuf.explore.check import check_design
from dmabuf.rules import RULES


def main(carrier: str) -> None:
    """Tokens, rules and counts of each design, as JSON."""
    designs = [lock_across_wait.broken]
    designs += [rule.broken[0] for code, rule in RULES.items() if code != "DF005"]
    said = []
    for fn in designs:
        verdict = check_design(fn, fn.__name__, carrier=carrier)
        said += [
            (finding.token, finding.code, finding.message, verdict.executions, verdict.steps)
            for finding in verdict.findings
        ]
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
