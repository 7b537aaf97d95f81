"""What becomes of `#if`: all branches are taken where the syntax bears it, else the first.

A conditional between two statements or declarations stays in the line of tokens, so that the
parser can tell what is done under which condition. One inside of a statement vanishes: its
branches are taken one after the other if it has one, or if they are items of a list; otherwise the
first one is, and the bytes of the others count as not understood. A branch with an open bracket is
never joined with its alternatives. What is never built (`#if 0`, or by a configuration) is left
out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dmabuf.audit.front.config import Config

__all__ = ["resolve"]

_NET = {"(": (1, 0), "[": (1, 0), "{": (0, 1), ")": (-1, 0), "]": (-1, 0), "}": (0, -1)}


@dataclass(slots=True)
class _Branch:
    """Where a branch stands (its directive first), and its balance of brackets."""

    start: int
    end: int = 0
    round: int = 0
    curly: int = 0
    lowest: int = 0
    cases: bool = False
    dead: bool = False

    @property
    def balanced(self) -> bool:
        return not (self.round or self.curly or self.lowest)

    def count(self, rounds: int, curlies: int) -> None:
        """A bracket opens or closes."""
        self.round += rounds
        self.curly += curlies
        if self.round < self.lowest or self.curly < self.lowest:
            self.lowest = min(self.round, self.curly)


@dataclass(slots=True)
class _Group:
    """A conditional that is being read."""

    depth: int
    before: str
    guard: bool
    branches: list[_Branch] = field(default_factory=list)
    decided: bool = False


class _Resolver:
    __slots__ = (
        "config",
        "decided",
        "depth",
        "gone",
        "groups",
        "lines",
        "lost",
        "marks",
        "tokens",
    )

    def __init__(
        self, tokens: list[str], lines: list[int], directives: set[str], config: Config
    ) -> None:
        self.config = config
        self.decided: dict[str, bool | None] = {}
        self.marks = directives.union(_NET, ("case", "default"))
        self.tokens = tokens
        self.lines = lines
        self.groups: list[_Group] = []
        self.gone = bytearray(len(tokens))  # 1: the token is left out
        self.lost: list[tuple[int, int]] = []
        self.depth = 0

    def run(self) -> None:
        branch: _Branch | None = None
        for at in [at for at, token in enumerate(self.tokens) if token in self.marks]:
            token = self.tokens[at]
            if token in _NET:
                a, b = _NET[token]
                self.depth += a + b
                if branch is not None:
                    branch.count(a, b)
            elif token[0] == "#":
                self._directive(at, token)
                branch = self.groups[-1].branches[-1] if self.groups else None
            elif branch is not None:  # case, default
                branch.cases = branch.cases or branch.curly == 0
        while self.groups:
            self._close(len(self.tokens))

    def _directive(self, at: int, token: str) -> None:
        if token.startswith("#if"):
            before = self.tokens[at - 1] if at else ""
            guard = self._is_guard(at, token)
            self.groups.append(_Group(self.depth, before, guard, [_Branch(at)]))
            self._judge(token)
        elif not self.groups:
            self.gone[at] = 1
        elif token.startswith("#el"):
            group = self.groups[-1]
            group.branches[-1].end = at
            group.branches.append(_Branch(at))
            self.depth = group.depth
            self._judge(token)
        else:
            self._close(at)

    def _is_guard(self, at: int, token: str) -> bool:
        """Whether this is the guard of a header: it comes first, and nothing follows its end."""
        return at == 0 and token.startswith(("#ifndef", "#if !defined"))

    def _judge(self, token: str) -> None:
        """Whether the branch that begins with this directive is never built."""
        group = self.groups[-1]
        branch = group.branches[-1]
        if group.decided:
            branch.dead = True
        elif token != "#else":
            built = self.decided.get(token)
            if token not in self.decided:
                built = self.decided[token] = self.config.decide(token)
            group.decided = built is True
            branch.dead = built is False

    def _close(self, end: int) -> None:
        group = self.groups.pop()
        group.branches[-1].end = end
        kept = self._choose(group, end)
        for branch in group.branches:
            if branch not in kept:
                self._drop(branch)
        parent = self.groups[-1].branches[-1] if self.groups else None
        self.depth = group.depth
        for branch in kept:
            self.depth += branch.round + branch.curly
            if parent is not None:
                parent.lowest = min(
                    parent.lowest, parent.round + branch.lowest, parent.curly + branch.lowest
                )
                parent.round += branch.round
                parent.curly += branch.curly
                parent.cases = parent.cases or (branch.cases and parent.curly == 0)

    def _choose(self, group: _Group, end: int) -> list[_Branch]:
        live = [branch for branch in group.branches if not branch.dead]
        if group.guard or group.decided or len(live) < len(group.branches):
            marked = False
        else:
            marked = self._stands_alone(group, end)
        if not marked:
            for branch in group.branches:
                self.gone[branch.start] = 1
            if end < len(self.tokens):
                self.gone[end] = 1
        if marked or len(live) < 2 or self._is_list(group):
            return live
        return live[:1]

    def _stands_alone(self, group: _Group, end: int) -> bool:
        """Whether the conditional lies between two statements or declarations."""
        if not all(branch.balanced for branch in group.branches):
            return False
        if group.depth <= 0:
            return self._is_between_items(group)
        if group.before not in (";", "}", "{", ":") and group.before[:1] != "#":
            return False
        if end + 1 < len(self.tokens) and self.tokens[end + 1] == "else":
            return False
        return all(self._is_whole(branch) for branch in group.branches)

    def _is_between_items(self, group: _Group) -> bool:
        """Outside of functions; after a `)` it may also be one body or another of a function."""
        if group.before == ")":
            first = group.branches[0].start + 1
            return self.tokens[first : first + 1] not in (["{"], [","])
        return group.before in ("", ";", "}", "{") or group.before[0] == "#"

    def _is_whole(self, branch: _Branch) -> bool:
        if branch.cases:
            return False
        first, last = branch.start + 1, branch.end - 1
        if last < first:
            return True
        return self.tokens[first] != "else" and (
            self.tokens[last] in (";", "}") or self.tokens[last].startswith("#endif")
        )

    def _is_list(self, group: _Group) -> bool:
        """Whether the branches are items of an initialiser or of arguments."""
        if group.before not in (",", "{", "("):
            return False
        return all(
            branch.balanced
            and (branch.end - branch.start < 2 or self.tokens[branch.end - 1] == ",")
            for branch in group.branches
        )

    def _drop(self, branch: _Branch) -> None:
        size = 0
        for at in range(branch.start, branch.end):
            if not self.gone[at]:
                size += len(self.tokens[at]) + 1
                self.gone[at] = 1
        if size and not branch.dead:
            self.lost.append((self.lines[branch.start], size))


def resolve(
    tokens: list[str], lines: list[int], config: Config
) -> tuple[list[str], list[int], list[tuple[int, int]]]:
    """Tokens and lines without conditionals that cannot stay; (line, bytes) of what was lost."""
    directives = {token for token in set(tokens) if token[0] == "#" and len(token) > 2}
    if not directives:
        return tokens, lines, []
    work = _Resolver(tokens, lines, directives, config)
    work.run()
    if 1 not in work.gone:
        return tokens, lines, []
    keep = [at for at, gone in enumerate(work.gone) if not gone]
    return [tokens[at] for at in keep], [lines[at] for at in keep], work.lost
