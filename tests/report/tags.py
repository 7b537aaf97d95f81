"""The tags of a page, and those that are never closed."""

from html.parser import HTMLParser

__all__ = ["Tags"]

VOID = {"meta", "input"}


class Tags(HTMLParser):
    """Collects tags and ids, and those that are never closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.open.pop()
