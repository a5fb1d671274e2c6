"""A report in a real browser without a network: does circuitsvis draw, does the page fit a phone, is it quiet?"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.report.parts import gather
from emorhet_lens.report.report import write_report
from emorhet_lens.screening.screen import screen
from emorhet_lens.show import browse_neurons, neuron_views

pytestmark = pytest.mark.browser
pytest.importorskip("circuitsvis", reason="circuitsvis is not installed (extra 'show')")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra 'dev')")
ui = pytest.importorskip("selenium.webdriver.support.ui")
CSS = "css selector"

HOSTILE = "<img src=x onerror='window.hacked=1'>"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
TOKENS = ".colored-tokens > span > span"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def group(planted):
    corpus = planted_corpus(planted, per_label=10)
    stats = collect_stats(planted.model, corpus, progress=False)
    found = screen(stats, shuffles=2, top=0.05)
    gathered = gather(planted.model, corpus, found, top=4, shown=1, texts=2, random_sets=2, progress=False)
    first, *others = gathered.views
    return replace(gathered, views=(replace(first, tokens=(HOSTILE, *first.tokens[1:])), *others))


@pytest.fixture(scope="module")
def report(group, tmp_path_factory) -> Path:
    return write_report(tmp_path_factory.mktemp("report") / "report.html", [group])


def show_page(browser, path: Path, *, width: int = 1400, scheme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(path.as_uri())
    ui.WebDriverWait(browser, 20).until(lambda b: b.find_elements(CSS, TOKENS))


def test_every_token_is_drawn(browser, report, group):
    show_page(browser, report)
    drawn = [
        [token.get_property("textContent").replace("\xa0", " ") for token in text.find_elements(CSS, TOKENS)]
        for text in browser.find_elements(CSS, ".drawn")
    ]
    views = {view.example.key: view for view in group.views}
    assert drawn == [list(views[key].tokens) for key in group.driving["key"]]
    # One of them would be a picture with a script if it were taken as HTML.
    assert any(HOSTILE in tokens for tokens in drawn)
    assert browser.execute_script("return window.hacked") is None


def test_the_console_is_quiet_and_nothing_is_asked_for(browser, report):
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    show_page(browser, report)
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    messages = [entry["message"] for entry in browser.get_log("performance")]
    sent = [message for message in messages if "Network.requestWillBeSent" in message]
    assert [message for message in sent if report.name in message]
    assert [message for message in sent if '"url":"http' in message] == []


def test_the_value_shows_under_the_pointer(browser, report, group):
    show_page(browser, report)
    text = browser.find_elements(CSS, ".drawn")[1]
    token = text.find_elements(CSS, TOKENS)[0]
    row = group.driving.iloc[1]
    [view] = [view for view in group.views if view.example.key == row["key"]]
    values = view.values(f"L{row['layer']}N{row['neuron']}")
    value = str(round(float(values[0]), 4))
    assert value not in text.text
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", token)
    webdriver.ActionChains(browser).move_to_element(token).perform()
    ui.WebDriverWait(browser, 10).until(lambda _: value in text.text)


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(browser, report, width):
    show_page(browser, report, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # Wide tables and pictures scroll in frames of their own.
    frames = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].filter(f => f.scrollWidth > f.clientWidth).length"
    )
    assert (frames > 0) == (width == 400)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_legible_in_light_and_dark(browser, report, scheme):
    show_page(browser, report, scheme=scheme)
    contrast = """
        const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(x => (x /= 255) <= 0.03928 ? x / 12.92
            : ((x + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const behind = e => { const c = getComputedStyle(e).backgroundColor;
            return c === 'rgba(0, 0, 0, 0)' && e.parentElement ? behind(e.parentElement) : c; };
        return [...document.querySelectorAll(arguments[0])].map(e => {
            const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05); });
    """
    for what in (TOKENS, "h1, h2, h3, p, li, td, th, dd, dt, a, caption"):
        found = browser.execute_script(contrast, what)
        assert len(found) > 10
        # The least that the accessibility guidelines ask of running text.
        assert min(found) >= 4.5
    page = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (page == "rgb(251, 251, 250)") == (scheme == "light")


def test_another_neuron_can_be_chosen_in_a_notebook_view(browser, planted, tmp_path):
    corpus = planted_corpus(planted, per_label=1)
    found = screen(collect_stats(planted.model, planted_corpus(planted), progress=False), shuffles=0, top=0.05)
    views = neuron_views(planted.model, found.neurons.head(1), corpus)
    path = tmp_path / "view.html"
    path.write_text(f"<!DOCTYPE html><meta charset='utf-8'>{browse_neurons(views)._repr_html_()}", encoding="utf-8")
    show_page(browser, path)
    choice = ui.Select(browser.find_element(CSS, "#neuron-selector"))
    assert [option.text for option in choice.options] == found.neurons.head(1).labels()

    def colors():
        tokens = browser.find_elements(CSS, TOKENS)
        return [token.value_of_css_property("background-color") for token in tokens]

    before = colors()
    choice.select_by_index(1)
    ui.WebDriverWait(browser, 10).until(lambda _: colors() != before)
