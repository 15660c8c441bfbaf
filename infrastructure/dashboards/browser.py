"""Dashboards as a person sees them: a headless Chromium that logs in, opens one, and waits until every chart is drawn.

For tests, screenshots and measurements. Playwright drives; the browser is the system's (`find_browser`).
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from foundation.errors import EltError
from foundation.settings import settings

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response, WebError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
COLOURS = re.compile(r"/api/v1/dashboard/\d+/colors\?")
UNTAKEN = ("Response", "[object Response]")  # a failed promise that holds nothing but an answer
TELEMETRY = "apachesuperset.gateway.scarf.sh"  # an image that each page of Superset asks for
# the charts that have neither drawn nor said why not, or are at work
AT_WORK = """
() => [...document.querySelectorAll('[class*="dashboard-chart-id-"]')].filter(holder =>
    !holder.querySelector('.slice_container, .ant-alert, [data-test="asset-error-alert"], .ant-empty, .missing-chart-container')
    || holder.querySelector('[data-test="loading-indicator"], .loading'))
"""
READY = f"""charts =>
    document.querySelectorAll('[class*="dashboard-chart-id-"]').length >= charts && !({AT_WORK})().length"""
WAITED_FOR = f"() => ({AT_WORK})().map(holder => holder.innerText.split('\\n')[0] || holder.className)"


def find_browser() -> str | None:
    """Path of a Chromium or Chrome on this machine (`ELT_BROWSER` names another), or None. Raises EltError: that is no program."""
    if named := settings().elt_browser:
        if not (path := shutil.which(named)):
            raise EltError(
                f"ELT_BROWSER: {named} is no program",
                "set ELT_BROWSER in .env or the environment to the path of a Chromium, or leave it out",
            )
        return path
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Dashboard:
    """An open dashboard. `requests`: the addresses that its page has requested; `bodies`: what it has sent for charts' data."""

    page: Page
    charts: int
    seconds: float = 0.0
    requests: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def wait(self, seconds: float = 60) -> None:
        """Wait until every chart is drawn and stays so for a moment. Raises EltError after `seconds`: what it waited for."""
        for _ in range(2):
            self.drawn(seconds)
            self.page.wait_for_timeout(250)

    def drawn(self, seconds: float) -> None:
        """Wait until every chart is drawn. Raises EltError after `seconds`: what it waited for."""
        from playwright.sync_api import TimeoutError as TooLate

        try:
            self.page.wait_for_function(READY, arg=self.charts, timeout=seconds * 1000)
        except TooLate:
            unanswered = [one.url for one in self.page.requests() if one.existing_response is None]
            raise EltError(
                f"{self.page.url}: not every one of its {self.charts} charts is drawn after {seconds:g} s",
                f"at work: {self.page.evaluate(WAITED_FOR)}; requests without an answer: {unanswered}",
            ) from None

    def text(self, title: str) -> str:
        """What the chart with this title shows in words."""
        holders = self.page.locator('[class*="dashboard-chart-id-"]').all_inner_texts()
        found = [text for text in holders if text.split("\n")[0].strip() == title]
        if not found:
            raise EltError(f"the dashboard shows no chart {title}", f"it shows {[t[:30] for t in holders]}")
        return found[0].partition("\n")[2].strip()

    def menu(self, title: str) -> list[str]:
        """The entries of the menu of a chart (three dots)."""
        self._holder(title).locator('[aria-label="More Options"]').first.click()
        shown = self._opened_menu()
        self.page.keyboard.press("Escape")
        return shown

    def menu_at(self, title: str, right: float, down: float) -> list[str]:
        """The entries that a right click on a chart shows; where, as parts of its width and height."""
        self._click(title, right, down, "right")
        return self._opened_menu()

    def click(self, title: str, right: float, down: float) -> list[str]:
        """Click on a chart, and wait for the others; what the dashboard asked for then. Where, as parts of width and height."""
        before = len(self.bodies)
        with self.page.expect_response(re.compile("/api/v1/chart/data")):
            self._click(title, right, down, "left")
        self.wait()
        return self.bodies[before:]

    def _click(self, title: str, right: float, down: float, button: Literal["left", "right"]) -> None:
        drawn = self._holder(title).locator("canvas").first
        drawn.scroll_into_view_if_needed()
        size = drawn.bounding_box() or {"width": 0, "height": 0}
        drawn.click(button=button, position={"x": size["width"] * right, "y": size["height"] * down})

    def _holder(self, title: str) -> Locator:
        header = self.page.locator('[data-test="slice-header"]').filter(has_text=re.compile(f"^{title}"))
        return self.page.locator('[class*="dashboard-chart-id-"]').filter(has=header).first

    def _opened_menu(self) -> list[str]:
        menu = self.page.locator(".ant-dropdown-menu:visible").last
        menu.wait_for()
        return [line for line in menu.inner_text().splitlines() if line]

    def failures(self) -> list[str]:
        """What each chart that shows no data says instead."""
        found = self.page.locator(
            '.dashboard-component-chart-holder:has(.ant-alert-error, [data-test="asset-error-alert"], .missing-chart-container)'
        )
        return [found.nth(number).inner_text() for number in range(found.count())]

    def filter(self, name: str, *values: str) -> None:
        """Choose values of a filter of the bar on the left, and apply them."""
        names = self.page.locator('[data-test="filter-control-name"]')
        shown = [text.strip() for text in names.all_inner_texts()]
        item = self.page.locator(".filter-item-wrapper, .ant-form-item:has([data-test=form-item-value])")
        box = item.filter(has=self.page.get_by_text(name, exact=True)).locator("input[type=search]").first
        if name not in shown:
            raise EltError(f"the dashboard has no filter {name}", f"it has {', '.join(shown)}")
        box.click(force=True)  # the value chosen before lies on the box
        for value in values:
            box.fill(value)
            self.page.locator(f'.ant-select-item-option[title="{value}"]').first.click()
        self.page.keyboard.press("Escape")
        self.apply()

    def apply(self) -> None:
        """Press *Apply filters* and wait for the charts."""
        with self.page.expect_response(re.compile("/api/v1/chart/data")):
            self.page.locator('[data-test="filter-bar__apply-button"]').click()
        self.wait()


@contextmanager
def browser(url: str, width: int = 1440, height: int = 900) -> Iterator[BrowserContext]:
    """A browser with a profile of its own, gone afterwards. Raises EltError when there is none on this machine."""
    from playwright.sync_api import sync_playwright

    executable = find_browser()
    if executable is None:
        raise EltError(
            "there is no Chromium on this machine",
            "install it (apt-get install chromium), or set ELT_BROWSER",
        )
    with TemporaryDirectory(prefix="elt-browser-") as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=executable,
            headless=True,
            args=FLAGS,
            base_url=url,
            viewport={"width": width, "height": height},
            timezone_id="UTC",
            locale="en-US",
        )
        try:
            yield context
        finally:
            context.close()


def complaints(context: BrowserContext) -> list[str]:
    """From now on, all that goes wrong on any page: answers of 400 and more, errors on the console and in scripts.

    The list grows as they come; a reader clears it. One thing is left out: Superset 6.1 has every reader's page save the colours
    of a board, and the refusal of one who may not write is an answer 403, and a promise whose failure nobody takes up.
    """
    found: list[str] = []

    def answered(response: Response) -> None:
        refused = response.status == 403 and response.request.method == "PUT" and COLOURS.search(response.url)
        if response.status >= 400 and not refused:
            found.append(f"{response.status} {response.request.method} {response.url}")

    def said(message: ConsoleMessage) -> None:
        # of each such answer the browser says once more that it was one; and the content policy keeps back Superset's telemetry
        expected = message.text.startswith("Failed to load resource") or TELEMETRY in message.text
        if message.type == "error" and not expected:
            found.append(f"console: {message.text}")

    context.on("response", answered)
    context.on("console", said)

    def failed(error: WebError) -> None:
        if str(error.error) not in UNTAKEN:  # the answer itself is in the list
            found.append(f"script: {error.error}")

    context.on("weberror", failed)
    return found


def login(context: BrowserContext, user: str, password: str) -> Page:
    """A page that is logged in."""
    page = context.new_page()
    page.goto("/login/")
    page.locator("#username, input[name=username]").first.fill(user)
    page.locator("#password, input[name=password]").first.fill(password)
    page.locator("#password, input[name=password]").first.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url, timeout=30_000)
    return page


def open_dashboard(page: Page, slug: str, charts: int, chosen: str = "") -> Dashboard:
    """Open a dashboard that has so many charts, and wait until they are drawn; `seconds` says how long that took.

    `chosen`: values of its filters, as a link carries them (`native_filters`, in Rison).
    """
    opened = Dashboard(page, charts)

    def asked(request: Request) -> None:
        opened.requests.append(request.url)
        if "/api/v1/chart/data" in request.url:
            opened.bodies.append(request.post_data or "")

    page.on("request", asked)
    started = time.monotonic()
    link = f"?native_filters={quote(chosen)}" if chosen else ""
    page.goto(f"/superset/dashboard/{slug}/{link}", wait_until="commit")
    opened.drawn(90)
    opened.seconds = time.monotonic() - started
    opened.wait()
    return opened


def full_height(page: Page) -> int:
    """How high the window has to be for the whole dashboard."""
    return page.evaluate(
        "Math.max(...[...document.querySelectorAll('.dashboard-component-chart-holder')]"
        ".map(e => e.getBoundingClientRect().bottom)) | 0"
    )


def screenshot(opened: Dashboard, path: Path) -> None:
    """The whole dashboard as one picture."""
    page = opened.page
    width = page.evaluate("window.innerWidth")
    page.set_viewport_size({"width": width, "height": max(900, full_height(page) + 24)})
    opened.wait()
    page.wait_for_timeout(800)  # the charts' animation
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
