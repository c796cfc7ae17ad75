"""Text that a page must show and never run, and the check in a real browser."""

import time
from pathlib import Path
from typing import Any

# Runs in the page: every way in which a payload would leave a mark.
MARK = "return [window.pwned, document.title.includes('PWNED'), document.querySelectorAll('.pwned').length]"
PAYLOADS = (
    "<script>window.pwned=1;document.title='PWNED'</script>",
    "</script><script>window.pwned=2</script>",
    '<img src=x onerror="window.pwned=3">',
    '<svg onload="window.pwned=4">',
    '"><b class=pwned onmouseover="window.pwned=5">',
    "<!--<script>",
    "-->",
    "]]>",
    "&lt;script&gt;window.pwned=6&lt;/script&gt;",
    "javascript:window.pwned=7",
    "`${window.pwned=8}`",
    "\u2028window.pwned=9\u2029",
    "\\u003cscript>window.pwned=10</script>",
    "$\\frac",
    "$$",
    "$x$y$",
    "\x1b[31mred\x1b[0m",
    "\x07\x08",
    "\u202e\u2066tfel",
    "\ufeff",
    "a\nb\tc",
    "",
    '=HYPERLINK("x")',
    "💥" * 3,
)
# What a label may do to the formats that it is written in.
LABELS = (
    *PAYLOADS,
    "RED\n\n.. raw:: html\n\n   <img src=x onerror=\"document.title='PWNED'\">\n\n",
    "RED\n\n.. raw:: html\n   :file: secret.txt\n\n",
    "[x](javascript:window.pwned=11) ![y](https://example.invalid/z)",
    "`x <javascript:window.pwned=12>`_ Workflow_ |sub| *em* ``code``",
    "MATH [/b] [bold red]loud[/] :bug:",
    "a | b | 100.0 [100.0, 100.0] |",
    "1. one",
    "# one",
    "---",
    "~~gone~~ &amp; __strong__ **bold**",
    "RED $\\frac{ $ x",
    "[3pt] x \\\\ \\hline % & ~ ^ # _ {} --",
    "*x ``quoted'' -- ---",
    "{run} {seed} {{}} {unknown:q}",
    "x\\",
    "=cmd|'/c calc'!A1",
    "+1+cmd",
    "@SUM(1)",
    "-2+3",
    "$(touch RAN); `touch RAN` & touch RAN | touch RAN",
    "\ttab\rreturn",
)


def check_quiet(page: Any) -> None:
    """AssertionError if a payload ran, became an element, or opened a dialog."""
    from selenium.common.exceptions import NoAlertPresentException

    ran, titled, elements = page.execute_script(MARK)
    assert ran is None and not titled and elements == 0, (ran, titled, elements)
    try:
        raise AssertionError(f"a dialog opened: {page.switch_to.alert.text}")
    except NoAlertPresentException:
        pass


def visit(page: Any, file: Path) -> str:
    """Open a local page, use each of its selects and details, and return the text that a person sees."""
    page.get(file.as_uri())
    check_quiet(page)
    for select in page.find_elements("tag name", "select"):
        for option in select.find_elements("tag name", "option"):
            option.click()
            check_quiet(page)
    for detail in page.find_elements("tag name", "summary"):
        if detail.is_displayed():
            detail.click()
    check_quiet(page)
    return str(page.find_element("tag name", "body").text)


def click_through(page: Any) -> int:
    """Press whatever can be pressed, a few levels deep; returns the number of clicks."""
    from selenium.common.exceptions import WebDriverException

    clicks = 0
    for _ in range(3):
        for index in range(60):
            pressable = page.find_elements("css selector", "button, a[href='#'], summary")
            if index >= len(pressable):
                break
            try:
                pressable[index].click()
                clicks += 1
            except WebDriverException:
                continue
            time.sleep(0.05)
            check_quiet(page)
    assert clicks, "nothing to press"
    return clicks
