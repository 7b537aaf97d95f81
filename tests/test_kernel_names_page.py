"""docs/reference/kernel-names.md says what the decorators say."""

from pathlib import Path

import kernel_names


def test_kernel_names_page_is_up_to_date():
    """The page is what the tool would write."""
    assert kernel_names.PAGE.read_text("utf-8") == kernel_names.page(), "tools/kernel_names.py"


def test_kernel_names_page_out_of_date_is_noticed(tmp_path, monkeypatch, capsys):
    """--check answers 1 for another text or none; without it the page is written."""
    monkeypatch.setattr(kernel_names, "PAGE", Path(tmp_path) / "page.md")

    answers = [
        kernel_names.main(["--check"]),
        kernel_names.main([]),
        kernel_names.main(["--check"]),
    ]

    assert [1, 0, 0] == answers
    assert "out of date" in capsys.readouterr().err
