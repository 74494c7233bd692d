"""Take the pictures of the web UI that the README shows, of whatever `SDG_HOME` holds.

After `make demo`, with Chromium and its driver and the dev extra (`make .venv/installed-dev`):

    .venv/bin/python docs/pictures/take.py
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from sdg_assets.commands.dev import choose_samples_port

HERE = Path(__file__).parent
SCALE = 1.5  # pixels of a picture per pixel of the page
SIZE = (1400, 860)
GRAPH_SIZE = (2000, 1150)  # at which all of it is drawn and its names can be read
GRAPH = "asset-graph"
SETTLE_SECONDS = 4.0  # for layouts that are drawn step by step
# The page, and a word that is only there when it shows what it should.
PAGES = {
    GRAPH: ("asset-groups", "rouge_l_scores"),
    "partitions": (
        "assets/training_examples?view=partitions&partition=demo-unlabelled%7Cde",
        "rows_out",
    ),
    "asset": ("assets/generated_qa?view=overview", "contexts_with_pairs"),
}
# What opens on a page: the text of the entry, and of the button in its row.
DIALOGS = {
    "table": ("assets/generated_qa?view=overview", "preview"),
    "plot": ("assets/rouge_l_scores?view=overview", "plot"),
    "leaderboard": ("assets/rouge_l_scores?view=overview", "leaderboard"),
}
# Of the pages to listen: links to follow, one after the other, from the first page on.
SAMPLE_LINKS = ("demo-unlabelled", "train-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE, help="default: %(default)s")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    with running_server() as (url, samples_url), headless_browser() as browser:
        for name, (page, word) in PAGES.items():
            browser.set_window_size(*(GRAPH_SIZE if name == GRAPH else SIZE))
            browser.get(f"{url}/{page}")
            settle(browser)
            if name == GRAPH:
                expand_groups(browser)
            if word not in browser.page_source:
                raise LookupError(f"{url}/{page} does not say {word!r}")
            save(browser.get_screenshot_as_png(), output / f"{name}.png")
        for name, (page, label) in DIALOGS.items():
            browser.get(f"{url}/{page}")
            settle(browser)
            save(open_dialog(browser, label).screenshot_as_png, output / f"{name}.png")
        browser.get(samples_url)
        for text in SAMPLE_LINKS:
            browser.find_element(By.PARTIAL_LINK_TEXT, text).click()
        wait = WebDriverWait(browser, 30)
        wait.until(expected.presence_of_element_located((By.TAG_NAME, "audio")))
        wait.until(lambda _: browser.execute_script(_HAS_LOADED))
        save(browser.get_screenshot_as_png(), output / "sample.png")


_HAS_LOADED = "return document.querySelector('audio').readyState >= 1"  # its duration is known


@contextmanager
def running_server() -> Iterator[tuple[str, str]]:
    """`sdg dev` on a free port; the addresses of the web UI and of the pages to listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    samples_port = choose_samples_port("127.0.0.1", port)
    sdg = Path(sys.executable).with_name("sdg")
    process = subprocess.Popen([sdg, "dev", "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_for_server(f"{url}/server_info", seconds=120)
        yield url, f"http://127.0.0.1:{samples_port}"
    finally:
        process.terminate()
        process.wait()


def wait_for_server(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(f"nothing answers at {url}")


@contextmanager
def headless_browser() -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (
        "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
        f"--force-device-scale-factor={SCALE}",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--window-size={SIZE[0]},{SIZE[1]}", *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ):  # fmt: skip
        options.add_argument(flag)
    driver = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options, driver)
    try:
        yield browser
    finally:
        browser.quit()


def settle(browser: WebDriver) -> None:
    wait = WebDriverWait(browser, 60)
    wait.until(expected.presence_of_element_located((By.CSS_SELECTOR, "#root *")))
    time.sleep(SETTLE_SECONDS)


def expand_groups(browser: WebDriver) -> None:
    keys = ActionChains(browser)
    keys.key_down(Keys.ALT).send_keys("e").key_up(Keys.ALT).perform()
    time.sleep(SETTLE_SECONDS)


def open_dialog(browser: WebDriver, label: str) -> WebElement:
    """Press the button beside the metadata entry ``label``; what opens."""
    row = f"//tr[.//*[normalize-space(text())='{label}']]"
    button = WebDriverWait(browser, 30).until(
        expected.presence_of_element_located((By.XPATH, f"{row}//*[self::button or self::a]"))
    )
    browser.execute_script("arguments[0].click()", button)
    time.sleep(SETTLE_SECONDS)
    return browser.find_element(By.CSS_SELECTOR, "[role=dialog]")


def save(picture: bytes, path: Path) -> None:
    path.write_bytes(picture)
    print(path)


if __name__ == "__main__":
    main()
