"""A MkDocs hook: formulas become MathML when the site is built; no script draws them in the browser."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

# As pymdownx.arithmatex marks them.
_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def on_page_content(content: str, **_: Any) -> str:
    """Replace the formulas of a page by MathML."""
    return _FORMULA.sub(_mathml, content)


def _mathml(formula: re.Match[str]) -> str:
    is_block = formula["tag"] == "div"
    mathml: str = convert(html.unescape(formula["latex"]).strip(), display="block" if is_block else "inline")
    return f'<div class="formula">{mathml}</div>' if is_block else mathml
