"""What MkDocs adds to docs/: pages from elsewhere, the navigation, MathJax, links that fit.

The README becomes the front page, the READMEs of `hw` the section on the code, the handout.md of
each assignment a page with its figures. Nothing is copied on disk.
"""

import logging
import os
import re
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
LOG = logging.getLogger("mkdocs.hooks.site")
ASSIGNMENTS = Path("course/assignments")
# Sections in their order, with the pages that come first in each; the others follow by name.
SECTIONS = {
    "Guide": ["guide.md", "results.md", "performance.md", "vectorization.md", "*.md"],
    "Assignments": ["assignments/*.md"],
    "Algorithms": ["algorithms/overview.md", "algorithms/policy_gradients.md", "algorithms/*.md"],
    "Extending": ["extending/*.md"],
    "The code": ["code/hw.md", "code/*.md"],
    "For instructors": [
        "course/index.md",
        "course/adopting.md",
        "course/adding.md",
        "course/*.md",
    ],
}
MATHJAX = ["tex-chtml-full.js", "output/chtml/fonts/woff-v2/*.woff"]
# Code first, so that what looks like a link in it is none.
LINK = re.compile(
    r"^(?P<fence> *(`{3,}|~{3,})).*?^(?P=fence)"
    r"|(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)"
    r"|(?P<image>!?)\[(?P<text>(?:[^\[\]`]|`[^`]*`|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    flags=re.MULTILINE | re.DOTALL,
)
BREAK = re.compile(r"/|\b[A-Z]\w*\.(?=[a-z_])")
LIST_ITEM = re.compile(r"([-*+]|\d+\.) +")
# What begins a list in the middle of a paragraph.
BEGINNINGS = ("-", "*", "+", "1.")


def on_config(config):
    """Lay the pages out in sections; those that nobody has written yet are left out."""
    uris = sorted(pages())
    nav = [{"Home": "index.md"}]
    seen = {"index.md"}
    for section, patterns in SECTIONS.items():
        entries = []
        for pattern in patterns:
            found = [uri for uri in uris if uri not in seen and _matches(uri, pattern)]
            entries += [{_title(pages()[uri]): uri} for uri in found]
            seen.update(found)
        if entries:
            nav.append({section: entries})
    config.nav = nav
    return config


def on_files(files, config):
    """Add the pages and figures that stand outside docs/, and MathJax."""
    from mkdocs.structure.files import File

    for uri, path in {**pages(), **figures()}.items():
        if not path.is_relative_to("docs"):
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    mathjax = Path(distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline"))
    mathjax = mathjax / "static" / "mathjax"
    for pattern in MATHJAX:
        for path in sorted(mathjax.glob(pattern)):
            uri = f"mathjax/{path.relative_to(mathjax).as_posix()}"
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Make links fit the site, and lists be read as GitHub reads them."""
    return lay_out_lists(fit_links(markdown, page.file.src_uri, config.extra.get("source_url")))


def on_page_content(html, page, config, files):
    """Let paths and names of methods in tables break after slash and class."""
    return re.sub(
        r"<td[ >].*?</td>",
        lambda cell: re.sub(
            r"(?<=<code>)[^<]*", lambda code: BREAK.sub(r"\g<0><wbr>", code[0]), cell[0]
        ),
        html,
        flags=re.DOTALL,
    )


def pages() -> dict[str, Path]:
    """Each page's path in the repository, by its path in the site's sources."""
    found = {"index.md": Path("README.md")}
    for path in _glob("docs/**/*.md"):
        found[path.relative_to("docs").as_posix()] = path
    for path in _glob(f"{ASSIGNMENTS}/*/handout.md"):
        found[f"assignments/{path.parent.name}.md"] = path
    for path in _glob("hw/**/README.md"):
        found[f"code/{path.parent.name}.md"] = path
    return found


def figures() -> dict[str, Path]:
    """Likewise for figures."""
    found = {path.relative_to("docs").as_posix(): path for path in _glob("docs/**/*.png")}
    for path in _glob(f"{ASSIGNMENTS}/*/figures/*"):
        found[f"assignments/figures/{path.parent.parent.name}/{path.name}"] = path
    return found


def fit_links(markdown: str, uri: str, source_url: str | None) -> str:
    """Relative links that lead to the same things from the page's place in the site.

    Links to sources become links below `source_url`, or plain text if there is none.
    """
    uris = {path: uri for uri, path in {**pages(), **figures()}.items()}
    source = pages()[uri]

    def fit(match: re.Match) -> str:
        if not match["target"] or urlsplit(match["target"]).scheme:
            return match[0]
        target, _, anchor = match["target"].partition("#")
        if not target:
            return match[0]
        path = find(target, source)
        if path is None:
            # What only the hand-out has; elsewhere MkDocs is to complain.
            is_handout = source.is_relative_to(ASSIGNMENTS) and not match["image"]
            return match["text"] if is_handout else match[0]
        if path in uris or path / "README.md" in uris:
            place = uris.get(path) or uris[path / "README.md"]
            place = os.path.relpath(place, Path(uri).parent).replace(os.sep, "/")
            return f"{match['image']}[{match['text']}]({place}{'#' * bool(anchor)}{anchor})"
        if source_url:
            return f"[{match['text']}]({source_url.rstrip('/')}/{path.as_posix()})"
        return f"`{match['text']}`" if match["text"] == match["target"] else match["text"]

    return LINK.sub(fit, markdown)


def find(target: str, source: Path) -> Path | None:
    """The file that a page links to, relative to the root; None if there is none.

    A hand-out's text becomes the README at the root of the hand-out, whose layout is this one's.
    """
    for folder in (source.parent, Path()):
        path = Path(os.path.normpath(folder / target))
        if (ROOT / path).exists():
            return path
        if not source.is_relative_to(ASSIGNMENTS):
            break
    return None


def lay_out_lists(markdown: str) -> str:
    """Lists as MkDocs reads them, of lists as GitHub does.

    An empty line before each, and four columns for each level.
    """
    lines: list[str] = []
    # Where the text of each item begins that the current line is part of; the outermost first.
    columns: list[int] = []
    fence, shift, follows_blank = "", 0, True
    for line in markdown.splitlines():
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        mark = re.match(r"`{3,}|~{3,}", text)
        item = LIST_ITEM.match(text)
        if fence:
            fence = "" if mark and mark[0] == fence else fence
        elif item and (columns or item[1] in BEGINNINGS) and indent - max(columns, default=0) < 4:
            if not columns and not follows_blank:
                lines.append("")
            columns = [column for column in columns if column <= indent]
            shift = 4 * len(columns) - indent
            columns.append(indent + item.end())
        elif follows_blank and text or mark:
            columns = [column for column in columns if column <= indent]
            shift = 4 * len(columns) - columns[-1] if columns else 0
            fence = mark[0] if mark else ""
        elif text and columns:
            shift = 4 * len(columns) - min(indent, columns[-1])
        lines.append(" " * (indent + shift) + text if text else "")
        follows_blank = not text
    return "\n".join(lines) + "\n"


def _title(path: Path) -> str:
    """A page's heading, without what stands in brackets."""
    heading = re.search(r"^# (.*)", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r" \(.*\)", "", heading[1]).replace("`", "") if heading else path.parent.name


def _glob(pattern: str) -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in ROOT.glob(pattern))


def _matches(uri: str, pattern: str) -> bool:
    """Whether a glob gives a path; unlike fnmatch, `*` stays in its folder."""
    return Path(uri).parent == Path(pattern).parent and Path(uri).match(pattern)
