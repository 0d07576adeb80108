"""A browser without a window, for tests of pages, and what such tests do with it."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver import Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

REQUIRED = os.environ.get("LASTLAYER_REQUIRE_BROWSER") == "1"


def start() -> webdriver.Chrome:
    """The browser, or a skipped test where there is none and none is required."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        missing = "no Chromium with chromedriver on the PATH: apt-get install chromium-driver"
        pytest.fail(missing) if REQUIRED else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = browser  # with both paths given, Selenium looks for nothing
    options.add_argument("--headless=new")
    options.add_argument("--disable-gpu")
    options.add_argument("--disable-dev-shm-usage")  # small in containers
    if os.geteuid() == 0:  # as root Chromium starts only without
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


def find(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def numbers(driver, selector):
    """All digits of the numbers that stand there."""
    script = "return JSON.stringify([...document.querySelectorAll(arguments[0])].map(e => e.value))"
    return np.array(json.loads(driver.execute_script(script, selector)), dtype=np.float64)


def number(driver, selector):
    (value,) = numbers(driver, selector)
    return value


def type_into(driver, selector, value):
    field = find(driver, selector)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(str(value), Keys.TAB)


def choose(driver, name, value):
    find(driver, f'input[name={name}][value="{value}"]').click()
