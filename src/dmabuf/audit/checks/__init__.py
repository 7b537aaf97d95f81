"""What the contract forbids, looked for on the ways that code takes: roots, rules, findings."""
