"""A headless Chromium without network that remembers what it was asked for and what went wrong."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
    "--disable-dev-shm-usage",
    # Whatever a page asks for fails at once instead of leaving the machine.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@contextmanager
def browser(profile: Path) -> Iterator:
    """A Selenium driver with an empty profile folder; skips where Chromium or Selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield page
    finally:
        page.quit()


def console_errors(page) -> list[str]:
    """What the console has said since the last question, from warnings on."""
    return [line["message"] for line in page.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]


def requests(page) -> list[str]:
    """Addresses that were asked for over a network since the last question."""
    events = (json.loads(line["message"])["message"] for line in page.get_log("performance"))
    asked = (e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent")
    return [url for url in asked if url.split(":")[0] not in ("file", "data", "about", "blob")]


def resize(page, width: int, scheme: str = "light") -> None:
    """A window of that many pixels, and what the reader's system prefers."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def barriers(page) -> list[str]:
    """What axe-core calls serious or critical for people who do not see, hear or point; skips where it is missing."""
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    page.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert len(found["passes"]) > 20, "the page was checked"
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
