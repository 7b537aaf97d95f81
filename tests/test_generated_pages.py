"""A page that a tool writes is noticed when it is out of date."""

from generated import write_or_check


def test_generated_page_out_of_date_is_noticed(tmp_path, capsys):
    """--check answers 1 for another text or none; without it the page is written."""
    page = tmp_path / "page.md"

    answers = [
        write_or_check(page, "text", ["--check"]),
        write_or_check(page, "text", []),
        write_or_check(page, "text", ["--check"]),
        write_or_check(page, "another", ["--check"]),
    ]

    assert [1, 0, 0, 1] == answers
    assert "out of date" in capsys.readouterr().err
