"""docs/reference/kernel-names.md says what the decorators say."""

import kernel_names


def test_kernel_names_page_is_up_to_date():
    """The page is what the tool would write."""
    assert kernel_names.PAGE.read_text("utf-8") == kernel_names.page(), "tools/kernel_names.py"
