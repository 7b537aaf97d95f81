"""Which bracket closes which."""

import random

from dmabuf.audit.front.brackets import pair

CLOSES = {")": "(", "]": "[", "}": "{"}


class Counted(list):
    """Tokens that know how often one of them was looked at."""

    looks = 0

    def __getitem__(self, at):
        self.looks += 1
        return super().__getitem__(at)


def slowly(tokens):
    """The same, by looking through all that is open."""
    match, stack = {}, []
    for at, token in enumerate(tokens):
        if token in CLOSES.values():
            stack.append(at)
        elif token in CLOSES:
            want = CLOSES[token]
            if want == "{" and any(tokens[one] == want for one in stack):
                while tokens[stack[-1]] != want:
                    stack.pop()
            if stack and tokens[stack[-1]] == want:
                match[stack.pop()] = at
    return match


def test_brackets_are_paired_as_if_all_that_is_open_were_looked_through():
    """On random text, most of which is wrong."""
    draw = random.Random(1)
    for _ in range(3000):
        tokens = draw.choices("()[]{}x", k=draw.randrange(14))

        assert pair(tokens) == slowly(tokens)


def test_what_closes_nothing_is_not_looked_for():
    """A large file of brackets that do not fit costs no more than one of those that do."""
    wrong = Counted("(" * 2000 + "}" * 2000)

    assert pair(wrong) == {}

    assert wrong.looks <= 3 * len(wrong)
