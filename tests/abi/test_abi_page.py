"""docs/reference/abi.md says what the modules say."""

import abi_page


def test_abi_page_is_up_to_date():
    """The page is what the tool would write."""
    assert abi_page.PAGE.read_text("utf-8") == abi_page.page(), "tools/abi_page.py"
