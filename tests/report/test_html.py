"""The page of --html: complete, closed in itself, usable by keyboard and on a phone."""

import re
from dataclasses import replace

import pytest

from dmabuf import Mutex, check_design, design
from dmabuf.report.finding import Finding
from dmabuf.report.html import html_page
from dmabuf.report.verdict import Status, Trouble, Verdict
from tests.report.chromium import Browser, installed
from tests.report.every_finding import verdicts
from tests.report.tags import Tags

EVIL = "<script>alert(1)</script>\"'&\u202e\x1b"

needs_browser = pytest.mark.skipif(not installed(), reason="no chromium is installed")


@design
def abba(machine):
    """Two tasks, two locks, and names that are markup."""
    one, other = Mutex(EVIL), Mutex("B")

    def forth():
        with one, other:
            pass

    def back():
        with other, one:
            pass

    machine.kthread(forth, EVIL)
    machine.kthread(back, "a task whose name is long enough to be in the way on any telephone")


@pytest.fixture(scope="module")
def verdict():
    """What is found about it."""
    return check_design(abba, f"{EVIL}.py::abba")


def test_page_has_all_parts_without_a_script(verdict):
    """Rule, case, steps, waits, both stacks and the replay line stand in the page itself."""
    page = html_page([verdict])
    finding = verdict.findings[0]

    rows = re.findall(r"<tr[ >].*?</tr>", page)
    assert 1 + len(finding.steps) == len(rows)
    words = ("Remedy:", "DF001", "Who waits for whom", "waits at", " at</p>", finding.token)
    assert [] == [word for word in words if word not in page]


def test_page_escapes_every_foreign_word(verdict):
    """Names of tasks, locks and files bring no tag and no control character into the page."""
    evil = Finding("DF<b>", EVIL, implied=(EVIL,), token=EVIL)
    results = [verdict, Verdict(EVIL, Status.VIOLATED, (evil,), notes=(EVIL,)), Trouble(EVIL, EVIL)]

    page = html_page(results)

    assert "<script>alert" not in page
    assert 1 == Tags(page).tags.count("script")
    assert not set(page) & set("\u202e\x1b")


def test_page_shades_what_is_repeated_for_ever(verdict):
    """The steps of a turn have a background of their own, and words."""
    page = html_page([replace(verdict, findings=(replace(verdict.findings[0], turn=1),))])

    assert 1 == page.count('class="turn"')
    assert "is repeated for ever" in page
    assert 'class="turn"' not in html_page([verdict])


@pytest.mark.slow
def test_page_of_every_finding_is_well_formed():
    """Each tag is closed, no id is there twice, nothing is loaded from anywhere."""
    page = html_page(verdicts())
    found = Tags(page)

    assert [] == found.open
    assert len(found.ids) == len(set(found.ids))
    assert not {"img", "link", "iframe", "object", "use"} & set(found.tags)
    assert [] == re.findall(r"@import|url\((?!#)", page)


def test_notebook_shows_the_page_in_a_frame_and_a_finding_as_svg(verdict):
    """Neither representation lets a name become markup."""
    frame = verdict._repr_html_()
    drawing = verdict.findings[0]._repr_svg_()

    assert frame.startswith("<iframe srcdoc=")
    assert ["iframe"] == Tags(frame).tags
    assert drawing.startswith("<svg")
    assert "script" not in Tags(drawing).tags
    assert Finding("DF001", "no schedule")._repr_svg_() is None


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """One for all tests of this module."""
    command = installed()
    assert command is not None
    started = Browser(command)
    yield started
    started.close()


@pytest.fixture
def file(verdict, tmp_path):
    """A page with several results."""
    path = tmp_path / "page.html"
    path.write_text(html_page([verdict, Verdict("fine", Status.PROVED)]), "utf-8")
    return path


SELECTED = "document.querySelector('tr.on td.number').textContent"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@needs_browser
@pytest.mark.slow
def test_page_steps_by_keyboard(browser, file):
    """Tab reaches the schedule with a visible focus, arrows step, and the words follow."""
    page = browser.open(file)
    steps = page.value("document.querySelectorAll('tr[data-step]').length")
    at_first = page.value(SELECTED)

    for _ in range(30):
        page.press("Tab")
        if page.value("document.activeElement.classList.contains('schedule')"):
            break
    page.press("Home")
    first = page.value(SELECTED)
    outline = page.value("getComputedStyle(document.activeElement).outlineStyle")
    page.press("ArrowRight")
    second = page.value(SELECTED)
    now = page.value("document.querySelector('.now').textContent")
    page.press("End", "ArrowDown")
    last = page.value(SELECTED)
    page.press("ArrowLeft")

    assert (str(steps), "1", "2", str(steps)) == (at_first, first, second, last)
    assert "solid" == outline
    assert "locks" in now
    assert str(steps - 1) == page.value(SELECTED)
    assert 1 == page.value("document.querySelectorAll('[aria-current=step]').length")
    assert [] == page.complaints()


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1100, True), (360, False)])
def test_page_fits_any_width_in_any_light(browser, file, width, dark):
    """Nothing sticks out to the right, nothing is loaded or complained about, and dark is dark."""
    page = browser.open(file, width=width, dark=dark)

    colour = page.value("getComputedStyle(document.body).backgroundColor")
    light = sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    assert page.value(OVERFLOW) <= 0
    assert (light < 200) == dark
    assert [] == page.complaints()


@needs_browser
@pytest.mark.slow
def test_page_copies_the_replay_line(browser, file):
    """The button says that it has."""
    page = browser.open(file)

    page.value("document.querySelector('button.copy').click()")
    said = page.call(
        "Runtime.evaluate",
        expression="""new Promise((done) => { const look = () => {
            const said = document.querySelector('button.copy').textContent;
            if (said === 'Copied') done(said); else requestAnimationFrame(look); }; look(); })""",
        awaitPromise=True,
        returnByValue=True,
    )

    assert "Copied" == said["result"]["value"]


@needs_browser
@pytest.mark.slow
def test_page_without_a_script_hides_what_needs_one(browser, file):
    """All steps and waits are there to read, and no dead button."""
    page = browser.open(file, script=False)

    tree = page.call("DOMSnapshot.captureSnapshot", computedStyles=["display"])
    strings = tree["strings"]
    shown = {strings[n] for n in tree["documents"][0]["layout"]["text"] if n >= 0}

    assert any("waits for" in words for words in shown)
    assert any("Remedy" in words for words in shown)
    assert not {"Copy", "On →", "arrow keys step"} & shown
