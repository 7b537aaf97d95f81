"""One search, divided among workers, with the answer of one."""
