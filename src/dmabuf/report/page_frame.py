"""What every page is: one file that loads nothing, light or dark, with a way past its header.

>>> page = page_frame("<b>", header="2 designs</h1>", main="<p>fine</p>", script="page.js")
>>> "<title>&lt;b&gt; - dmabuf</title>" in page, "<p>fine</p>" in page
(True, True)
"""

from __future__ import annotations

from importlib import resources

from dmabuf.report.svg import text

__all__ = ["page_frame"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page_frame(title: str, *, header: str, main: str, script: str, style: str = "") -> str:
    """The whole page.

    Args:
        title: plain text.
        header: HTML after "dmabuf check" in the heading, its `</h1>` included.
        main: HTML of what is shown.
        script: name of a file beside this one.
        style: name of one with rules of this page alone.
    """
    styles = "".join(map(_file, ("page.css", "drawing.css", *([style] if style else ()))))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{text(title)} - dmabuf</title>",
            f"<style>{styles}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#main">To the findings</a>',
            f"<header><h1><b>dmabuf check</b> &middot; {header}</header>",
            f'<main id="main">{main}</main>',
            f"<script>{_file(script)}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _file(name: str) -> str:
    return resources.files("dmabuf.report").joinpath(name).read_text("utf-8")
