"""docs/reference/abi.md says what the modules say."""

from pathlib import Path

import abi_page


def test_abi_page_is_up_to_date():
    """The page is what the tool would write."""
    assert abi_page.PAGE.read_text("utf-8") == abi_page.page(), "tools/abi_page.py"


def test_abi_page_out_of_date_is_noticed(tmp_path, monkeypatch, capsys):
    """--check answers 1 for another text or none; without it the page is written."""
    monkeypatch.setattr(abi_page, "PAGE", Path(tmp_path) / "page.md")

    answers = [abi_page.main(["--check"]), abi_page.main([]), abi_page.main(["--check"])]

    assert [1, 0, 0] == answers
    assert "out of date" in capsys.readouterr().err
