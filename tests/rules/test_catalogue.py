"""Catalogue, pages and tests speak of the same rules, in their own words."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from dmabuf.codes import CODES, PRECEDENCE, Strength, implied_by
from dmabuf.rules import DOCUMENTS, PAGES, RULES, SOURCE_RULES, Rule, Source, SourceRule

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT.parent / "shared" / "seeds"
KERNEL = re.compile(
    r"(?:Documentation|drivers|include|kernel|lib|mm|tools)/[\w./-]+(?:\.\w+|/Kconfig), \S.*"
)
DOCUMENT = re.compile(r'(\d{3}), "([^"]+)"')
STRENGTHS = ("must", "should", "ideal", "fact")
COPIED_WORDS_MAX = 7

CASES = ROOT / "tests" / "audit" / "cases"

SOURCES = [
    pytest.param(source, id=f"{code}-{number}")
    for code, rule in PAGES.items()
    for number, source in enumerate(rule.sources)
]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9_']+", text.lower())


def _seeds() -> dict[str, list[str]]:
    """Each document's words by its number; skips where the documents are not at hand."""
    if not SEEDS.is_dir():
        pytest.skip("the documents that sources name are not beside this checkout")
    found = {path.name[:3]: _words(path.read_text("utf-8")) for path in SEEDS.glob("*.txt")}
    assert sorted(DOCUMENTS) == sorted(found)
    return found


def _texts(rule: Rule | SourceRule) -> list[str]:
    """Everything on a page that somebody has written."""
    code = CODES[rule.code]
    if isinstance(rule, Rule):
        designs = [inspect.getsource(fn) for fn in (*rule.broken, *rule.kept)]  # type: ignore[arg-type]
    else:
        designs = [(CASES / name).read_text("utf-8") for name in rule.snippets]
    said = [text for source in rule.sources for text in (source.where, source.says)]
    checks = [check.how for check in rule.checks]
    return [code.statement, code.remedy, rule.why, rule.allowed, *said, *checks, *designs]


def _is_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][^.!?]*\.", text))


def _tested() -> set[str]:
    """The IDs that the generated tests are parametrised with."""
    spec = importlib.util.spec_from_file_location(
        "rules", Path(__file__).with_name("test_rules.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    marks = module.test_rule_designs_are_as_declared.pytestmark
    return next(set(mark.args[1]) for mark in marks if mark.args[0] == "code")


def test_catalogue_codes_are_pages_are_tests() -> None:
    """Every ID has a page, designs with tests or snippets, and a file in docs."""
    documented = {path.stem for path in (ROOT / "docs" / "rules").iterdir()} - {"index"}

    assert list(CODES) == list(PAGES)
    assert not RULES.keys() & SOURCE_RULES.keys()
    assert list(CODES) == sorted(CODES)
    assert set(RULES) == _tested()
    assert set(CODES) == documented
    assert all(key == code.id for key, code in CODES.items())
    assert all(key == rule.code for key, rule in PAGES.items())


def test_catalogue_precedence_has_every_rule_once() -> None:
    """Which rule leads is decided for every pair."""
    assert sorted(CODES) == sorted(PRECEDENCE)


@pytest.mark.parametrize("code", CODES)
def test_catalogue_implied_rules_are_known_and_less_specific(code: str) -> None:
    """What a rule implies exists, is not the rule itself, and comes after it in reports."""
    rank = {one: place for place, one in enumerate(PRECEDENCE)}

    for other in CODES[code].implies:
        assert rank[code] < rank[other]
    assert code not in implied_by(code)


@pytest.mark.parametrize("code", CODES)
def test_catalogue_statement_and_remedy_are_one_sentence(code: str) -> None:
    """A statement fits in a list, a remedy in a report."""
    assert _is_sentence(CODES[code].statement)
    assert _is_sentence(CODES[code].remedy)


@pytest.mark.parametrize("code", RULES)
def test_page_is_complete(code: str) -> None:
    """A page says why and whence, has two near-misses, and each design says what it shows."""
    rule = RULES[code]
    designs = (*rule.broken, *rule.kept)

    assert rule.why.count(".") >= 3
    assert rule.sources
    assert len(rule.near_misses) >= 2
    assert len({fn.__name__ for fn in designs}) == len(designs)
    assert _is_sentence(rule.allowed.replace("()", ""))
    assert [] == [fn.__name__ for fn in designs if not _is_sentence(inspect.getdoc(fn) or "")]


@pytest.mark.parametrize("code", SOURCE_RULES)
def test_page_without_designs_has_snippets_of_both_kinds(code: str) -> None:
    """Until there are designs, the corpus shows what is found, and beside it what is not."""
    rule = SOURCE_RULES[code]
    texts = [(CASES / name).read_text("utf-8") for name in rule.snippets]

    assert rule.why.count(".") >= 3
    assert rule.sources
    assert _is_sentence(rule.allowed)
    assert any("EXPECT" in text for text in texts)
    assert any("near-miss" in text or "EXPECT" not in text for text in texts)


@pytest.mark.parametrize("code", PAGES)
def test_page_names_the_checks_that_decide_it(code: str) -> None:
    """Exactly the checkers that the catalogue lists are named, each by code that exists."""
    checks = PAGES[code].checks

    assert set(CODES[code].decided_by) == {check.by for check in checks}
    for check in checks:
        assert callable(_resolve(check.where))


@pytest.mark.parametrize("code", [c.id for c in CODES.values() if "run" in c.decided_by])
def test_rule_that_a_run_decides_is_shown_by_one(code: str) -> None:
    """A case of the validator's corpus expects it, or a test that runs on threads as well does."""
    cases = _texts_in("contract/cases", "*.py")
    tests = [text for room in ("core", "mm") for text in _texts_in(room, "test_*.py")]

    marked = any(f"# {verb}: {code}" in text for verb in ("expect", "suspect") for text in cases)
    asserted = any(f'"{code}"' in text and "(rt" in text for text in tests)

    assert marked or asserted


def _texts_in(room: str, names: str) -> list[str]:
    return [path.read_text("utf-8") for path in (ROOT / "tests" / room).glob(names)]


def _resolve(dotted: str) -> Any:
    module, _, rest = dotted.partition(".")
    found: Any = importlib.import_module(module)
    path = [module]
    for name in rest.split("."):
        path.append(name)
        if not hasattr(found, name):
            importlib.import_module(".".join(path))
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("code", PAGES)
def test_page_strength_is_that_of_its_strongest_source(code: str) -> None:
    """A rule is worded as strongly as the strongest of its sources, no stronger."""
    worded = {source.says.partition(":")[0] for source in PAGES[code].sources}

    assert worded <= set(STRENGTHS)
    assert CODES[code].strength is Strength(min(worded, key=STRENGTHS.index))


@pytest.mark.parametrize("source", SOURCES)
def test_source_names_a_place(source: Source) -> None:
    """A source is a known document with words to find its paragraph by, or a kernel file."""
    document = DOCUMENT.fullmatch(source.where)

    assert document or KERNEL.fullmatch(source.where)
    if document:
        assert document[1] in DOCUMENTS
        assert len(_words(document[2])) <= COPIED_WORDS_MAX


@pytest.mark.parametrize("source", [p for p in SOURCES if p.values[0].where[0].isdigit()])
def test_source_words_are_in_its_document(source: Source) -> None:
    """The words that name a paragraph stand in the document, in that order."""
    document = DOCUMENT.fullmatch(source.where)
    assert document is not None
    wanted = _words(document[2])

    words = _seeds()[document[1]]

    starts = [at for at, word in enumerate(words) if word == wanted[0]]
    assert any(words[at : at + len(wanted)] == wanted for at in starts)


@pytest.mark.parametrize("code", PAGES)
def test_page_is_told_in_our_own_words(code: str) -> None:
    """No eight words in a row of a page stand so in a document that sources name."""
    size = COPIED_WORDS_MAX + 1
    copied = {
        tuple(words[at : at + size])
        for words in _seeds().values()
        for at in range(len(words) - size + 1)
    }

    for text in _texts(PAGES[code]):
        words = _words(text)
        runs = {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}
        assert set() == runs & copied
