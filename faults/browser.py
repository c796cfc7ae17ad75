"""A real browser that opens a page and tells whether anything of it ran."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faults.case import Untestable

# Runs in the page: every way in which the payloads below would leave a mark.
MARK = "return [window.pwned, document.title.includes('PWNED'), document.querySelectorAll('.pwned').length]"
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
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


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium with an empty profile; Untestable without one."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        raise Untestable("no chromium and chromedriver: apt-get install chromium chromium-driver")
    try:
        from selenium import webdriver
    except ImportError:
        raise Untestable("no selenium: pip install selenium") from None
    options = webdriver.ChromeOptions()
    options.binary_location = program
    with tempfile.TemporaryDirectory() as profile:
        for argument in (*QUIET, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            found.set_page_load_timeout(120)
            yield found
        finally:
            found.quit()


def check_quiet(found: Any) -> None:
    """AssertionError if a payload ran, became an element, or opened a dialog."""
    from selenium.common.exceptions import NoAlertPresentException

    ran, titled, elements = found.execute_script(MARK)
    assert ran is None and not titled and elements == 0, (ran, titled, elements)
    try:
        raise AssertionError(f"a dialog opened: {found.switch_to.alert.text}")
    except NoAlertPresentException:
        pass


def visit(found: Any, page: Path) -> str:
    """Open a local page, use each of its selects and details, and return the text that a person sees."""
    found.get(page.as_uri())
    check_quiet(found)
    for select in found.find_elements("tag name", "select"):
        for option in select.find_elements("tag name", "option"):
            option.click()
            check_quiet(found)
    for detail in found.find_elements("tag name", "summary"):
        detail.click()
    check_quiet(found)
    return str(found.find_element("tag name", "body").text)
