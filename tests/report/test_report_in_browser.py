"""A report in Chromium: its pictures load, its sliders move, and nothing is complained about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from toys import quick, toy_pairs

from ispfit.report import write_report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with a report."""
    from selenium import webdriver

    X, Y = toy_pairs(3, size=40)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, quick().fit(X, Y), X, Y)
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.get(path.as_uri())
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def slider(browser: Any) -> Any:
    """The first slider, in sight."""
    from selenium.webdriver.common.by import By

    found = browser.find_element(By.CSS_SELECTOR, ".slider input")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].value = 50", found)
    return found


def position(browser: Any, slider: Any) -> str:
    """Where the line of a slider is."""
    script = "return getComputedStyle(arguments[0].parentElement).getPropertyValue('--at')"
    return str(browser.execute_script(script, slider))


def test_every_picture_loads_and_nothing_is_complained_about(browser: Any) -> None:
    widths = browser.execute_script("return [...document.images].map(image => image.complete && image.naturalWidth)")
    assert len(widths) == 3 * 2 * 3
    assert set(widths) == {40}
    assert browser.get_log("browser") == []


def test_the_slider_moves_by_keyboard(browser: Any, slider: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    slider.send_keys(Keys.HOME)
    assert position(browser, slider) == "0%"
    slider.send_keys(Keys.ARROW_RIGHT)
    assert position(browser, slider) == "1%"
    slider.send_keys(Keys.END)
    assert position(browser, slider) == "100%"


def test_the_slider_moves_by_mouse(browser: Any, slider: Any) -> None:
    from selenium.webdriver import ActionChains

    quarter = slider.size["width"] // 4
    ActionChains(browser).move_to_element(slider).click_and_hold().move_by_offset(quarter, 0).release().perform()
    assert 70 <= int(position(browser, slider).rstrip("%")) <= 80


def test_a_phone_shows_the_page_without_scrolling_sideways(browser: Any) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
