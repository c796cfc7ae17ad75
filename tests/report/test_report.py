"""The report in a browser: at a desk, on a phone, in the dark, on paper, with the keyboard, and without a network."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from analysis.items.claims import CLAIMS
from analysis.listing import listing
from analysis.parts.trend import trend
from analysis.report.page import LARGEST
from red.__main__ import main as red
from tests.report.browser import barriers, console_errors, requests, resize

pytestmark = pytest.mark.slow
WIDTHS = (1440, 390)
KEYS = {"tab": "\ue004", "end": "\ue010", "home": "\ue011", "right": "\ue014"}


@pytest.fixture
def report(provenance: Path) -> Path:
    return provenance.with_name("report.html")


@pytest.fixture(params=WIDTHS)
def opened(request: pytest.FixtureRequest, page, report: Path):
    resize(page, request.param)
    page.get(report.as_uri())
    yield page
    assert console_errors(page) == []
    assert requests(page) == []


def test_the_first_screen_says_what_was_run_and_what_came_out(opened):
    shown = opened.execute_script(
        "return [...document.querySelectorAll('#outcome .lead, #outcome .score')]"
        ".filter((one) => one.getBoundingClientRect().top < innerHeight).map((one) => one.innerText)"
    )
    ran, came, score = shown
    assert re.fullmatch(r"At tiny scale, \d+ runs trained for [\d to]+ steps with [\d to]+ seeds each, .*\.", ran)
    assert came.startswith("RED reaches ") and f"of {len(CLAIMS)} claims, " in came
    assert sum(map(int, re.findall(r"\d+", score))) == len(CLAIMS)


def test_every_item_has_an_anchor_and_shows_itself(opened):
    for name, about in listing().items():
        opened.execute_script("location.hash = arguments[0]", name)
        top, heading, shown = opened.execute_script(
            "const it = document.getElementById(arguments[0]), one = it.querySelector('figure img, table');"
            "return [it.getBoundingClientRect().top, it.querySelector('h3').innerText, one.offsetWidth]",
            name,
        )
        assert -2 < top < 900 and heading.startswith(about.heading) and shown > 100, name
    links = opened.execute_script("return [...document.querySelectorAll('nav a')].map((a) => a.hash.slice(1))")
    assert set(links) == {*listing(), "curves", "differences"}


def test_the_page_is_never_wider_than_its_window_and_the_first_column_stays(opened):
    assert opened.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    moved, stayed = opened.execute_script(
        "const box = document.querySelector('#main_results .wide'), row = box.querySelector('tbody tr:last-child');"
        "const left = () => [row.children[3], row.children[0]].map((one) => one.getBoundingClientRect().left);"
        "const before = left(); box.scrollLeft = 120;"
        "return left().map((now, i) => before[i] - now)"
    )
    assert stayed == 0
    assert moved > 0 or opened.execute_script("return innerWidth") > 1000


def test_no_text_of_a_table_runs_into_the_next_column(opened):
    over = opened.execute_script(
        "return [...document.querySelectorAll('section .wide th, section .wide td')]"
        ".filter((one) => one.offsetWidth && one.scrollWidth > one.clientWidth + 1)"
        ".map((one) => `${one.closest('section').id}: ${one.innerText}`)"
    )
    assert over == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_meets_a_barrier(opened, scheme):
    resize(opened, opened.execute_script("return innerWidth"), scheme)
    # The page of tokens inside has a test of its own.
    opened.execute_script("for (const one of document.querySelectorAll('details:not(.inside)')) one.open = true")
    assert barriers(opened) == []
    paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_first_tab_leads_past_the_contents(opened):
    opened.switch_to.active_element.send_keys(KEYS["tab"])
    assert opened.switch_to.active_element.get_attribute("href").endswith("#outcome")


def test_what_is_saved_is_the_file_beside_the_page(opened, report: Path, tmp_path: Path):
    """Also where the page was sent alone: nothing is read from beside it."""
    from selenium.webdriver.support.ui import WebDriverWait

    alone = tmp_path / "sent" / "report.html"
    alone.parent.mkdir()
    alone.write_bytes(report.read_bytes())
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    opened.get(alone.as_uri())
    for name in ("overview.csv", "main_results.tex", "claims.json", "entropy_trends.svg"):
        kind = "figures" if name.endswith("svg") else "tables"
        link = opened.find_element("css selector", f'a[download="{name}"]')
        opened.execute_script("arguments[0].click()", link)
        saved = tmp_path / name
        WebDriverWait(opened, 10).until(lambda _, saved=saved: saved.exists())
        assert saved.read_bytes() == report.with_name(kind).joinpath(name).read_bytes(), name


def test_a_chart_is_read_with_the_keyboard_and_starts_where_it_was_measured(opened):
    chart = opened.find_element("css selector", "#curves .canvas")
    chart.send_keys(KEYS["home"])
    caption = opened.find_element("css selector", "#curves .readout caption")
    assert caption.text == "At step 1"
    rows = opened.find_elements("css selector", "#curves .readout tbody tr")
    cells = [[cell.text for cell in row.find_elements("tag name", "td")] for row in rows]
    read = [(trend, raw) for _, trend, raw in cells if raw != "–"]
    assert read and all(trend == raw for trend, raw in read)
    chart.send_keys(KEYS["right"])
    assert caption.text == "At step 2"


def test_at_rest_each_line_shows_its_own_end(opened):
    """Runs take different numbers of steps."""
    rows = opened.find_elements("css selector", "#curves .readout tbody tr")
    assert rows and all(cell.text != "–" for row in rows for cell in row.find_elements("tag name", "td")[1:])


def test_a_picture_keeps_its_place_before_it_is_read(opened):
    """Otherwise whoever follows a link to a later item is moved away from it."""
    flat = opened.execute_script(
        "return [...document.querySelectorAll('figure img')].filter((one) => one.height < 60).map((one) => one.alt)"
    )
    assert flat == []


def test_runs_metrics_and_seeds_are_chosen(opened):
    def tick(field: str, text: str) -> None:
        opened.execute_script(
            "[...document.querySelectorAll('#curves fieldset')].find((one) => one.innerText.startsWith(arguments[0]))"
            ".querySelectorAll('label').forEach((one) => { if (one.innerText.trim() === arguments[1]) one.click(); })",
            field,
            text,
        )

    charts = "return [...document.querySelectorAll('#curves .chart')].map((one) => one.innerText)"
    before = opened.execute_script(charts)
    tick("Metrics", "length/rollout")
    tick("Runs", "LUFFY")
    tick("How", "mean over seeds")
    tick("Seeds", "0")
    after = opened.execute_script(charts)
    assert len(after) == len(before) + 1
    (length,) = (text for text in after if text.startswith("length/rollout"))
    assert "LUFFY, seed 1" in length and "LUFFY, seed 2" in length and "seed 0" not in length


def test_paper_has_every_caption_and_no_contents(page, report: Path):
    page.get(report.as_uri())
    printed = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert 10 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 40
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    # A4 without its margins; what is wider is cut off, or all of it is printed smaller.
    metrics = {"width": 688, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    text = page.execute_script("return document.body.innerText")
    assert "Contents" not in text and "Moving average" in text or "mean over seeds" in text
    assert "Drag over a chart" not in text
    value, interval = page.execute_script(
        "const cell = document.querySelector('#overview td small').parentElement;"
        "const size = (name) => parseFloat(getComputedStyle(cell.querySelector(name)).fontSize);"
        "return [size('span'), size('small')]"
    )
    assert interval < value


def test_it_can_be_sent(report: Path):
    assert report.stat().st_size < LARGEST


def test_every_chart_reaches_the_last_step_of_all(page, tmp_path: Path):
    """An entropy is logged now and then, a loss at every step."""
    rows = [
        {"train/step": step, "loss/total": 1.0} | ({} if step % 5 else {"entropy/rollout": 2.0}) for step in range(8)
    ]
    log = tmp_path / "metrics.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert red(["plot", str(log), "--metric", "entropy/rollout,loss/total", "--out", str(tmp_path / "x.html")]) == 0
    page.get((tmp_path / "x.html").as_uri())
    for key in ("", "0", "+0", "+---"):
        read = {}
        for chart in page.find_elements("css selector", ".chart"):
            chart.find_element("css selector", ".canvas").send_keys(key + KEYS["end"])
            read[chart.find_element("css selector", "h4").text] = chart.find_element("css selector", "caption").text
        assert read == {"entropy/rollout": "At step 5", "loss/total": "At step 7"}, key


@pytest.mark.parametrize("width", WIDTHS)
def test_red_plot_draws_a_bare_log(page, tmp_path: Path, width: int):
    """With the trends that the pictures have."""
    values = [3.0, 1.0, 2.0, 8.0, 5.0, 4.0, 9.0, 2.0, 6.0, 7.0, 1.0, 5.0, 3.0]
    log = tmp_path / "mine" / "metrics.jsonl"
    log.parent.mkdir()
    log.write_text("".join(f'{{"train/step": {step}, "red/w": {value}}}\n' for step, value in enumerate(values)))
    assert red(["plot", str(log), "--metric", "red/w", "--out", str(tmp_path / "x.html")]) == 0
    resize(page, width)
    page.get((tmp_path / "x.html").as_uri())
    chart = page.find_element("css selector", ".canvas")
    row = page.find_element("css selector", ".readout tbody tr")
    read = []
    for key in (KEYS["home"], *[KEYS["right"]] * (len(values) - 1)):
        chart.send_keys(key)
        read.append([float(cell.text) for cell in row.find_elements("tag name", "td")[1:]])
    np.testing.assert_allclose([raw for _, raw in read], values)
    np.testing.assert_allclose([smooth for smooth, _ in read], trend(np.array(values), 5), rtol=1e-3)
    assert barriers(page) == [] and console_errors(page) == [] and requests(page) == []
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
