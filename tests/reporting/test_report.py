"""Reports: what a page holds, that it loads nothing, and that a real browser shows it and answers."""

import html.parser
import os
import re
import shutil

import pytest

import mechopt as mo
from mechopt.registry import ENTRIES
from mechopt.reporting import explorer, formulas
from mechopt.reporting import sweep as sweeps
from mechopt.reporting.page import report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def result():
    return mo.solve(mo.load("regret/two-goods"))


@pytest.fixture(scope="module")
def text(result):
    return report(result)


class Links(html.parser.HTMLParser):
    """Everything a page would load."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]


def test_a_page_stands_alone_and_holds_every_section(text, result):
    links = Links()
    links.feed(text)
    assert links.found
    assert all(link.startswith("data:image/png;base64,") for link in links.found)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", text)
    for heading in ("Picture", "Problem", "Program", "Mechanism", "Worst case", "Certificate", "Numbers", "Instance"):
        assert f"<h2>{heading}</h2>" in text
    assert text.count("<math") == 2
    assert "every check passed" in text
    assert f"{result.bounds.lower:.8g}" in text
    assert text.count('class="pass"') == len(result.verify().checks)


def test_what_a_user_wrote_is_text_and_never_markup(result, tmp_path):
    named = mo.load("regret/one-good", ['name="<script>alert(1)</script>"'])
    found = report(mo.solve(named))
    assert "<script>alert" not in found
    assert "&lt;script&gt;alert" in found


def test_a_forged_certificate_shows_as_failed(result, tmp_path):
    import json

    result.save(tmp_path / "r")
    path = tmp_path / "r" / "certificate.json"
    forged = json.loads(path.read_text())
    forged["value"] = 0.5
    path.write_text(json.dumps(forged))
    found = report(mo.Result.load(tmp_path / "r"))
    assert 'class="fail"' in found
    assert "verification failed" in found


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_model_has_its_program_in_latex_that_converts(entry):
    if entry.name == "design":
        model = mo.load("design/regret-mean").model
    else:
        model = None
    programs = formulas.latex(entry.name, model)
    assert "primal" in programs
    for program in programs.values():
        shown = formulas.mathml(program)
        assert shown.startswith("<math")
        assert "\\" not in shown, "a command the converter does not know"
        assert program.count("{") == program.count("}")


def test_latex_the_converter_refuses_is_shown_as_written():
    assert formulas.mathml(r"\frac{1}{") == r"<pre>\frac{1}{</pre>"


def test_show_prints_the_program(run):
    assert r"[\gamma(v, w)]" in run("show", "regret/one-good", "--latex").stdout


def test_the_tables_hold_what_the_arrays_hold(result):
    tables, large = explorer.tables(result)
    assert large == []
    by_type = tables[0]
    outputs = {output["label"]: output["values"] for output in by_type["outputs"]}
    assert outputs["payment"] == pytest.approx(result.arrays["payment"].values, rel=1e-8, abs=1e-12)
    assert [x["label"] for x in by_type["inputs"]] == ["value 1", "value 2"]
    auction = mo.solve(mo.MyersonAuction(bidders=[{"values": [1, 2], "probabilities": [0.5, 0.5]}] * 2))
    labels = {x["label"] for table in explorer.tables(auction)[0] for x in table["outputs"]}
    assert {"allocation bidder 1", "payment bidder 2", "interim allocation 1"} <= labels


def test_the_command_and_what_it_refuses(run, result, tmp_path):
    result.save(tmp_path / "r")
    assert "written to page.html" in run("report", "r", "--output", "page.html").stdout
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert "ending in .html" in run("report", "r", "--output", "page.pdf", code=2).stderr
    assert "directory that exists" in run("report", "r", "--output", "no/page.html", code=2).stderr
    assert "error: " in run("report", "nothing", "--output", "page.html", code=2).stderr


@pytest.fixture(scope="module")
def browser():
    if not (BROWSER and DRIVER):
        pytest.skip("no chromium and chromedriver here; `make browser` installs them")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1100,1600",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    os.environ["SE_OFFLINE"] = "true"
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def test_a_browser_shows_the_page_and_answers_what_one_types(browser, result, text, tmp_path):
    page = tmp_path / "two goods.html"
    page.write_text(text, encoding="utf-8")
    browser.get(page.as_uri())
    assert browser.title == "two goods"
    assert browser.execute_script("return document.images[0].naturalWidth") > 300
    assert browser.execute_script("return document.querySelector('math').getBoundingClientRect().height") > 60
    box = browser.find_element("css selector", "fieldset[data-table='0']")
    fields = box.find_elements("tag name", "input")
    for wanted in ((0.7, 0.4), (0.93, 1)):
        for field, value in zip(fields, wanted, strict=True):
            field.clear()
            field.send_keys(str(value))
        cells = [row.find_elements("tag name", "td") for row in box.find_elements("css selector", "output tr")]
        answer = {name.text: number.text for name, number in cells}
        nearest = [round(x * 10) / 10 for x in wanted]
        q, m = result.mechanism.allocation, result.mechanism.payment
        at = int(((q.value_1 - nearest[0]) ** 2 + (q.value_2 - nearest[1]) ** 2).values.argmin())
        assert float(answer["allocation good 1"]) == pytest.approx(float(q[at, 0]), abs=1e-6)
        assert float(answer["payment"]) == pytest.approx(float(m[at]), abs=1e-6)
    fields[0].clear()
    assert "Type a number" in box.find_element("tag name", "output").text
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_a_sweep_has_a_page_too(browser, tmp_path):
    store = tmp_path / "runs.sqlite"
    runs = mo.sweep(base="regret/one-good", axes={"parameters.points": [4, 8, 16]}, name="grids", store=store, jobs=1)
    text = sweeps.report(runs, "grids")
    runs.close()
    assert "3 instances: 3 done." in text
    assert text.count("<img") >= 2
    page = tmp_path / "runs.html"
    page.write_text(text, encoding="utf-8")
    browser.get(page.as_uri())
    assert len(browser.find_elements("css selector", "tbody tr")) == 3
    assert browser.execute_script("return [...document.images].every(i => i.naturalWidth > 300)")


def test_the_command_reports_a_store(run, tmp_path):
    (tmp_path / "s.toml").write_text('name = "one"\nbase = "regret/one-good"\n[axes]\n"parameters.points" = [3, 4]\n')
    run("sweep", "s.toml", "--store", "runs.sqlite", "--jobs", "1")
    run("report", "runs.sqlite", "--output", "runs.html")
    assert "2 instances" in (tmp_path / "runs.html").read_text()
