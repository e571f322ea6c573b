"""The page in a real browser: it loads in silence, sorts, filters, plays, and hostile text stays text."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_results import HOSTILE, TEACHER, hostile, some_rows, write_result

from askd_bench.report.page.build import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        running = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


class Visit:
    """A page and what it did: console errors, uncaught errors, dialogs, and requests other than for itself and data."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.noise: list[str] = []
        self.page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(120_000)  # of a busy machine
        self.page.on("console", lambda message: self.noise.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.noise.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.noise.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self._request(request.url, file.as_uri()))
        self.page.goto(file.as_uri())
        self.page.wait_for_load_state("networkidle")

    def _request(self, url: str, own: str) -> None:
        if url.split("#")[0] != own and not url.startswith("data:"):
            self.noise.append(f"request: {url}")

    def column(self, table: str, heading: str) -> list[str]:
        """Return the texts of a column of the first body of the table of that caption."""
        return self.page.evaluate(  # type: ignore[no-any-return]
            """([caption, heading]) => {
                const table = [...document.querySelectorAll("table")].find((t) => t.caption.textContent.trim() === caption);
                const at = [...table.tHead.rows[0].cells].findIndex((c) => c.textContent.trim() === heading);
                return [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[at].textContent.trim());
            }""",
            [table, heading],
        )


@pytest.fixture
def visit(browser: Any, family_page: Any) -> Iterator[Visit]:
    made = Visit(browser, family_page.page, viewport={"width": 1280, "height": 900})
    yield made
    assert made.noise == []
    made.page.context.close()


def test_it_loads_without_a_word_or_a_request(visit: Visit) -> None:
    assert visit.page.title().endswith("askd-bench report")
    assert visit.page.locator("figure svg").count() > 10
    assert visit.page.locator("figure svg").first.bounding_box()["width"] > 300


def test_sorting(visit: Visit) -> None:
    button = visit.page.locator(".tables table").first.locator("th button", has_text="WER %")
    heading = button.locator("xpath=..")
    before = visit.column("Headline", "WER %")
    rates = sorted(float(text.split()[0]) for text in before)
    assert [float(text.split()[0]) for text in before] != rates
    assert heading.get_attribute("aria-sort") == "none"
    button.focus()
    visit.page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [float(text.split()[0]) for text in visit.column("Headline", "WER %")] == rates
    button.click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert [float(text.split()[0]) for text in visit.column("Headline", "WER %")] == rates[::-1]
    assert visit.page.locator(".tables [role=status]").first.inner_text() == "Sorted by WER %, descending."
    conditions = visit.page.locator(".tables table").first.locator("th button", has_text="condition")
    conditions.click()
    assert visit.column("Headline", "condition")[::4] == ["clean", "white-10dB", "white-0dB", "babble-0dB"], "the suite's order"
    assert visit.page.locator("th[aria-sort]:not([aria-sort=none])").count() == 1
    assert visit.page.locator("tbody.below").first.locator("tr").count() == 4, "pooled rows stay where they are"


def test_what_has_no_value_stays_last(visit: Visit) -> None:
    button = visit.page.locator(".tables table").first.locator("th button", has_text="Δ clean")
    for _ in range(2):
        button.click()
        last = visit.column("Headline", "Δ clean")[-4:]
        assert all(text.startswith("–") for text in last), last
        assert not any(text.startswith("–") for text in visit.column("Headline", "Δ clean")[:-4])


def test_filtering(visit: Visit) -> None:
    box = visit.page.get_by_label("Filter rows").first
    box.fill("WHITE control")
    assert visit.column("Headline", "condition") == ["white-10dB", "white-0dB"]
    assert set(visit.column("Headline", "model")) == {"control"}
    status = visit.page.locator(".tables [role=status]").first
    assert re.fullmatch(r"6 of 60 rows shown\.", status.inner_text()), "of three tables"
    box.fill("nothing is called so")
    assert visit.column("Headline", "condition") == []
    box.fill("")
    assert len(visit.column("Headline", "condition")) == 16


def test_intervals_can_be_shown(visit: Visit) -> None:
    intervals = visit.page.locator(".tables table").first.locator(".interval")
    shown = sum(intervals.nth(k).is_visible() for k in range(intervals.count()))
    visit.page.get_by_label("Every interval").first.check()
    assert sum(intervals.nth(k).is_visible() for k in range(intervals.count())) == intervals.count() > shown > 0


def test_audio_plays(visit: Visit) -> None:
    clips = visit.page.locator("audio")
    assert clips.count() == 2 * 4
    played = visit.page.evaluate(
        """async () => {
            const clips = [...document.querySelectorAll("audio")];
            const lengths = [];
            for (const clip of clips) {
                clip.load();
                clip.preload = "auto";
                await new Promise((done, fail) => { clip.oncanplay = done; clip.onerror = () => fail(clip.error.message); });
                lengths.push(clip.duration);
            }
            clips[0].muted = true;
            await clips[0].play();
            await new Promise((done) => { clips[0].ontimeupdate = () => clips[0].currentTime > 0.1 && done(); });
            const at = clips[0].currentTime;
            clips[1].muted = true;
            await clips[1].play();
            return [lengths, at, clips[0].paused];
        }"""
    )
    lengths, at, first_paused = played
    assert all(0.5 < length < 30 for length in lengths)
    assert at > 0.1
    assert first_paused, "one clip at a time"


def test_keys_reach_everything_and_focus_is_seen(visit: Visit) -> None:
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert visit.page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "seen when reached"
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "content"
    visit.page.locator("th button").first.focus()
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Shift+Tab")
    assert visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_long_inventions_open(visit: Visit) -> None:
    folded = visit.page.locator("details.more")
    for k in range(folded.count()):
        assert not folded.nth(k).locator(".w").first.is_visible()


CONTRAST = """() => {
    const parse = (c) => c.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const backdrop = (e) => {
        for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
        return [255, 255, 255];
    };
    document.querySelectorAll("details").forEach((d) => { d.open = true; });
    const bad = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || ["SCRIPT", "STYLE", "TITLE", "DESC"].includes(e.tagName.toUpperCase())) continue;
        const style = getComputedStyle(e);
        const ink = e.closest("svg") ? style.fill : style.color;
        const [a, b] = [luminance(parse(ink)), luminance(backdrop(e))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) bad.add(`${e.tagName}.${e.className}: ${ink} on ${backdrop(e)}`);
    }
    return [...bad];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(scheme: str, browser: Any, family_page: Any) -> None:
    """Every text has a contrast of 4.5 to 1 (WCAG AA), also within figures and on marked words."""
    made = Visit(browser, family_page.page, color_scheme=scheme)
    assert made.page.evaluate(CONTRAST) == []
    background = made.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert made.noise == []
    made.page.context.close()


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_it_fits_the_screen(width: int, browser: Any, family_page: Any) -> None:
    made = Visit(browser, family_page.page, viewport={"width": width, "height": 800})
    made.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert made.page.evaluate("document.documentElement.scrollWidth") <= width, "only tables scroll sideways"
    sizes = made.page.evaluate("[...document.querySelectorAll('figure svg')].map((e) => e.getBoundingClientRect().width)")
    assert max(sizes) <= width
    assert min(sizes) > 0.85 * min(width, 400)
    smallest = made.page.evaluate(
        """() => {
            const scale = (m) => Math.hypot(m.a, m.b);
            const texts = [...document.querySelectorAll("svg text")];
            return Math.min(...texts.map((e) => parseFloat(getComputedStyle(e).fontSize) * scale(e.getScreenCTM())));
        }"""
    )
    assert smallest > 7.5, "px on the screen"
    made.page.context.close()


def test_without_script_everything_can_be_read(browser: Any, family_page: Any) -> None:
    made = Visit(browser, family_page.page, java_script_enabled=False)
    assert made.page.locator("figure svg").first.is_visible()
    assert made.page.get_by_role("table", name="Headline").first.is_visible()
    assert made.page.locator("audio").first.is_visible()
    made.page.context.close()


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["with policy", "without policy"])
def test_hostile_text_is_inert(bypass_csp: bool, browser: Any, tmp_path: Path) -> None:
    few = some_rows(8, ("clean", "babble-0dB"))
    results = [write_result(tmp_path, TEACHER, few), write_result(tmp_path, (HOSTILE[0] + HOSTILE[1]).replace("/", ""), few, hostile)]
    out = tmp_path / "page.html"
    report(results, out=out, teacher=TEACHER, gallery=2)
    made = Visit(browser, out, bypass_csp=bypass_csp)
    made.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    made.page.locator("th button").first.click()
    made.page.get_by_label("Filter rows").first.fill("<script>")
    made.page.wait_for_timeout(200)
    assert made.noise == []
    assert made.page.locator("script").count() == 1
    assert made.page.locator("img, iframe, object, embed").count() == 0
    assert (
        made.page.evaluate("[...document.querySelectorAll('*')].some((e) => [...e.attributes].some((a) => a.name.startsWith('on')))")
        is False
    )
    assert HOSTILE[1] in made.page.locator("main").inner_text(), "shown as text"
    assert made.page.locator("figure svg text", has_text="<script>").count() > 0
    made.page.context.close()
