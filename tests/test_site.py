"""The documentation as a site: complete, without network, and with links that fit."""

import html
import importlib.util
import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="`make docs` installs it")
pytest.importorskip("material", reason="`make docs` installs it")

from mkdocs.commands.build import build
from mkdocs.config import load_config

spec = importlib.util.spec_from_file_location("site_hooks", "docs/site_hooks.py")
site_hooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(site_hooks)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; no page may give rise to a warning."""
    folder = tmp_path_factory.mktemp("site")
    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger("mkdocs").addHandler(handler)
    try:
        build(load_config("mkdocs.yml", site_dir=str(folder)))
    finally:
        logging.getLogger("mkdocs").removeHandler(handler)
    assert warnings == []
    return folder


def html_pages(site):
    return {path: path.read_text(encoding="utf-8") for path in sorted(site.glob("**/*.html"))}


def test_every_page_is_there_and_in_the_navigation(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    for uri in site_hooks.pages():
        name = uri.removesuffix("index.md") + "index" if uri.endswith("index.md") else uri[:-3]
        assert (site / f"{name}.html").exists(), uri
        assert f'href="{name}.html"' in home, uri
    for assignment in Path("course/assignments").glob("*/handout.md"):
        assert (site / "assignments" / f"{assignment.parent.name}.html").exists()


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"' >]+)"
    styled = r"<link\b[^>]*\bhref=[\"']?((?:https?:)?//[^\"' >]+)"
    for path, text in html_pages(site).items():
        assert re.findall(loaded, text) + re.findall(styled, text) == [], path
    for path in site.glob("**/*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", path.read_text("utf-8"))


def test_what_a_page_loads_and_links_to_exists(site):
    for path, text in html_pages(site).items():
        if path.name == "404.html":
            continue
        for target in re.findall(r"\b(?:src|href)=\"([^\"#?]+)", text):
            target = html.unescape(target)
            if not re.match(r"[a-z]+:", target):
                assert (path.parent / target).exists(), f"{path}: {target}"


def test_mathjax_and_its_fonts_are_part_of_the_site(site):
    script = (site / "mathjax/tex-chtml-full.js").read_text(encoding="utf-8")
    assert "output/chtml/fonts/woff-v2" in script
    assert (site / "mathjax/output/chtml/fonts/woff-v2/MathJax_Main-Regular.woff").exists()
    assert 'class="arithmatex"' in (site / "algorithms/sac.html").read_text(encoding="utf-8")


def test_no_equation_is_left_as_text(site):
    """A dollar outside code is one that was not understood as an equation."""
    for path, text in html_pages(site).items():
        article = text.partition("<article")[2].partition("</article>")[0]
        prose = re.sub(r"<(code|pre)\b.*?</\1>", "", article, flags=re.DOTALL)
        prose = re.sub(r"<(span|div) class=\"arithmatex\">.*?</\1>", "", prose, flags=re.DOTALL)
        assert "$" not in html.unescape(re.sub(r"<[^>]*>", "", prose)), path


def test_the_search_index_holds_what_pages_say(site):
    index = (site / "search/search_index.json").read_text(encoding="utf-8")
    for uri in site_hooks.pages():
        assert uri.replace(".md", ".html") in index


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_renders_every_equation_from_the_disk(site, tmp_path):
    for path, text in html_pages(site).items():
        num_equations = len(re.findall(r'<(?:span|div) class="arithmatex"', text))
        if num_equations == 0:
            continue
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--disable-background-networking", "--virtual-time-budget=20000"]
        command += [f"--user-data-dir={tmp_path / path.stem}", "--dump-dom", path.as_uri()]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        # The rules of MathJax's style sheet name the same elements.
        shown = re.sub(r"<style.*?</style>", "", shown, flags=re.DOTALL)
        assert len(re.findall(r"<mjx-container\b", shown)) == num_equations, path
        assert not re.search(r"<mjx-merror|data-mjx-error|<merror", shown), path


@pytest.mark.parametrize(
    ("link", "uri", "expected"),
    [
        ("[g](docs/guide.md#speed)", "index.md", "[g](guide.md#speed)"),
        ("[g](../guide.md)", "algorithms/sac.md", "[g](../guide.md)"),
        ("![p](docs/figures/pendulum.png)", "index.md", "![p](figures/pendulum.png)"),
        ("[README](../README.md)", "guide.md", "[README](index.md)"),
        ("[agents](hw/agents)", "index.md", "[agents](code/agents.md)"),
        ("[hw/scripts/run.py](hw/scripts/run.py)", "index.md", "`hw/scripts/run.py`"),
        ("[it](../hw/scripts/run.py)", "guide.md", "it"),
        ("[two\nlines](../hw/scripts/run.py)", "guide.md", "two\nlines"),
        ("[gone](gone.md)", "guide.md", "[gone](gone.md)"),
        ("[a](#speed) [b](mailto:c)", "guide.md", "[a](#speed) [b](mailto:c)"),
        ("`[x](../hw/scripts/run.py)`", "guide.md", "`[x](../hw/scripts/run.py)`"),
        ("```\n[x](../LICENSE)\n```\n", "guide.md", "```\n[x](../LICENSE)\n```\n"),
    ],
)
def test_links_fit_the_site(link, uri, expected):
    assert site_hooks.fit_links(link, uri, None) == expected


def test_links_to_sources_lead_to_a_repository_if_there_is_one():
    expected = "[it](base/hw/scripts/run.py)"
    assert site_hooks.fit_links("[it](../hw/scripts/run.py)", "guide.md", "base/") == expected


def test_a_hand_out_s_text_links_within_its_tree_and_its_figures(tmp_path, monkeypatch):
    for name in ("handout.md", "figures/curve.png"):
        path = tmp_path / "course/assignments/hw1_x" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# One\n")
    for name in ("README.md", "hw/a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(site_hooks, "ROOT", tmp_path)
    text = "![c](figures/curve.png) [a](hw/a.py) [cases](tests/cases.json)"
    expected = "![c](figures/hw1_x/curve.png) a cases"
    assert site_hooks.fit_links(text, "assignments/hw1_x.md", None) == expected


@pytest.mark.parametrize(
    ("github", "mkdocs"),
    [
        ("Take:\n- one\n  more\n- two\n", "Take:\n\n- one\n    more\n- two\n"),
        ("- a\n  - b\n    - c\n  - d\n- e\n", "- a\n    - b\n        - c\n    - d\n- e\n"),
        ("1. a\n\n   b\n2. c\n\nd\n", "1. a\n\n    b\n2. c\n\nd\n"),
        ("- a\n  ```\n  - b\n    c\n  ```\n", "- a\n    ```\n    - b\n      c\n    ```\n"),
        ("```\na\n- b\n  - c\n```\n", "```\na\n- b\n  - c\n```\n"),
        ("a\n2. b\n", "a\n2. b\n"),
        ("- a\nlazy\n", "- a\n    lazy\n"),
        ("| a |\n|---|\n\n    code\n", "| a |\n|---|\n\n    code\n"),
    ],
)
def test_lists_are_laid_out_for_mkdocs(github, mkdocs):
    assert site_hooks.lay_out_lists(github) == mkdocs


def test_the_site_is_not_kept_in_git():
    assert "site/" in Path(".gitignore").read_text().splitlines()
