"""Snakemake's own report: its list of items, and in a browser: no network, no errors, every item opens."""

import json
from pathlib import Path

import pytest

from analysis.listing import listing
from tests.report.browser import barriers, console_errors, requests

pytestmark = pytest.mark.slow
CATEGORIES = ("Overview", "Figures", "Tables", "Diagnostics")
EYES = "nav tbody tr td:last-child a:first-child"
SHOWN = """
  const parts = [...document.querySelectorAll('table, img, .token')];
  return parts.some(part => part.offsetWidth > 100 && part.naturalWidth !== 0) || parts.length > 50;
"""
# Of Snakemake's own report, about how its style sheet is made.
EXPECTED = "cdn.tailwindcss.com should not be used in production"


@pytest.fixture
def opened(page, provenance: Path):
    page.get(provenance.as_uri())
    _wait(page, "return document.body.innerText.includes('How results were made')")
    return page


def test_every_item_is_listed_with_its_heading_category_and_text(provenance: Path):
    records, categories = (_embedded(provenance, name) for name in ("results", "categories"))
    assert tuple(categories) == CATEGORIES
    for name, about in listing().items():
        path = f"results/tiny/{about.kind}s/{name}.html"
        category = "Overview" if name in ("at_a_glance", "overview", "claims", "premises") else "Diagnostics"
        category = f"{about.kind.title()}s" if about.is_of_the_paper else category
        assert path in categories[category]["Other"], name
        assert records[path]["labels"]["item"].replace(" \u2007", " ") == about.heading
        assert " ".join(about.text.split()[:4]) in records[path]["caption"], name


def test_the_front_page_leads_to_the_report(opened):
    text = opened.execute_script("return document.body.innerText")
    assert "How results were made" in text and "report.html" in text


def test_every_item_opens_with_a_click_without_network_or_errors(opened):
    found = set()
    for category in CATEGORIES:
        _click(opened, category)
        for index in range(len(opened.find_elements("css selector", EYES))):
            opened.find_elements("css selector", EYES)[index].click()
            opened.switch_to.frame(opened.find_element("css selector", "iframe"))
            _wait(opened, "return document.readyState === 'complete' && !!document.querySelector('h1, h2')")
            found.add(opened.execute_script("return document.querySelector('h1, h2').innerText"))
            shown = opened.execute_script(SHOWN)
            opened.switch_to.default_content()
            assert shown, f"{category} {index} shows nothing"
        opened.find_element("css selector", "nav nav a").click()  # the house
    assert len(found) == len(listing())
    assert [line for line in console_errors(opened) if EXPECTED not in line] == []
    assert requests(opened) == []


def test_a_click_and_keys_on_the_token_page_show_both_probabilities(page, provenance: Path):
    page.get(provenance.with_name("figures").joinpath("token_probabilities.html").as_uri())
    problem = page.find_element("id", "problem").text
    assert "What is 3 * (34 + 28)" in problem and "Answer 186" in problem
    heads = [head.text for head in page.find_elements("css selector", ".model h2")]
    assert len(heads) == 3 and all(head.endswith(("✓ right", "✗ wrong")) for head in heads)
    assert barriers(page) == []
    tokens = page.find_elements("css selector", ".tokens .token")
    tokens[1].click()
    detail = page.find_element("id", "detail").text
    assert "token 2 of" in detail and "trained 0." in detail and "base model 0." in detail
    page.switch_to.active_element.send_keys("\ue014")  # arrow right
    assert "token 3 of" in page.find_element("id", "detail").text
    assert console_errors(page) == []
    assert requests(page) == []


def _embedded(provenance: Path, name: str):
    """A JSON document inside the page."""
    text = provenance.read_text(encoding="utf-8")
    # The same names are variables of the libraries before it.
    start = text.rindex(f"var {name} = {{")
    return json.JSONDecoder().raw_decode(text, text.index("{", start))[0]


def _wait(page, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 20).until(lambda driver: driver.execute_script(condition))


def _click(page, text: str) -> None:
    page.find_element("xpath", f"//*[normalize-space(text())='{text}']").click()
