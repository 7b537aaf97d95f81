"""The page about C source: complete, closed in itself, filtered by keyboard."""

import pytest

from dmabuf.report.audit_page import audit_page
from tests.report.audited import AUDITED
from tests.report.chromium import Browser, installed
from tests.report.tags import Tags

needs_browser = pytest.mark.skipif(not installed(), reason="no chromium is installed")


def test_page_has_every_finding_without_a_script():
    """Chain, sinks, the other side, remedy and key stand in the page itself."""
    page = audit_page([AUDITED])

    words = ("toy_emit()", "toy_ring.c:19", "toy_pin() holds it", "Remedy:", "might_alloc")
    assert [] == [word for word in words if word not in page]
    assert 3 == page.count("<details>")


def test_page_is_well_formed_and_escapes_foreign_words():
    """Each tag is closed, there is one script, and nothing is loaded from anywhere."""
    page = audit_page([AUDITED])
    found = Tags(page)

    assert [] == found.open
    assert 1 == found.tags.count("script")
    assert len(found.ids) == len(set(found.ids))
    assert not {"img", "link", "iframe", "object", "use"} & set(found.tags)
    assert not set(page) & set("\u202e\x1b")


@needs_browser
@pytest.mark.slow
def test_page_filters_and_walks_by_keyboard(tmp_path):
    """A filter hides what does not fit, j goes to the next that is left, o unfolds it."""
    shown = "[...document.querySelectorAll('ol.found > li')].filter(i => !i.hidden).length"
    path = tmp_path / "page.html"
    path.write_text(audit_page([AUDITED]), "utf-8")
    command = installed()
    assert command is not None
    browser = Browser(command)

    page = browser.open(path, width=360)
    before = page.value(shown)
    page.value(
        "const f = document.forms[0]; f.elements.rule.value = 'DF202';"
        "f.dispatchEvent(new Event('input'))"
    )
    after = page.value(shown)
    for key in "jo":
        page.value(
            "document.body.dispatchEvent("
            f"new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))"
        )
    unfolded = page.value("document.querySelector('details[open]').closest('li').dataset.rule")
    wide = page.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    complaints = page.complaints()
    browser.close()

    assert (3, 1, "DF202") == (before, after, unfolded)
    assert wide <= 0
    assert [] == complaints
