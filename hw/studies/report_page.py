"""The page of a report: one file that needs no network; everything in it is escaped."""

from dataclasses import dataclass, field

from hw.infrastructure.errors import MissingExtraError

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
:root { --ink: #1b1f24; --soft: #5b6570; --line: #d9dee3; --back: #fff; --code: #f4f6f8; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
p.soft, figcaption { color: var(--soft); overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .9rem .3rem 0; text-align: left;
  vertical-align: top; }
table.pairs td { overflow-wrap: anywhere; }
pre { background: var(--code); padding: .7rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .88rem; }
div.media { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
figure { margin: 1rem 0; max-width: 28rem; }
img, video { max-width: 100%; height: auto; background: #fff; }
summary { cursor: pointer; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #9aa5b0; --line: #3a424a; --back: #14181c; --code: #20262c; }
}
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="soft">{{ subtitle }}</p>
{% for section in sections %}
<h2>{{ section.title }}</h2>
{% if section.text %}<p>{{ section.text }}</p>{% endif %}
{% if section.commands %}<pre>{{ section.commands | join("\n") }}</pre>{% endif %}
{% if section.pictures or section.videos %}<div class="media">{% endif %}
{% for picture in section.pictures %}
<figure><img src="{{ picture.address }}" alt="{{ picture.caption }}">
<figcaption>{{ picture.caption }}</figcaption></figure>
{% endfor %}
{% for video in section.videos %}
<figure><video controls preload="auto" src="{{ video.address }}"></video>
<figcaption>{{ video.caption }}</figcaption></figure>
{% endfor %}
{% if section.pictures or section.videos %}</div>{% endif %}
{% for table in section.tables %}
{% if table.is_folded %}<details><summary>{{ table.caption }}</summary>{% elif table.caption %}
<p>{{ table.caption }}</p>{% endif %}
<div class="wide"><table{% if not table.head %} class="pairs"{% endif %}>
{% if table.head %}<tr>{% for cell in table.head %}<th>{{ cell }}</th>{% endfor %}</tr>{% endif %}
{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% if table.is_folded %}</details>{% endif %}
{% endfor %}
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True)
class Media:
    """A picture or a video: a data: address and what it shows."""

    address: str
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of cells; a table without a head lists names and values."""

    rows: list[list[str]]
    head: list[str] = field(default_factory=list)
    caption: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: a title and whatever of the rest there is, in this order."""

    title: str
    text: str = ""
    commands: list[str] = field(default_factory=list)
    pictures: list[Media] = field(default_factory=list)
    videos: list[Media] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


def render(title: str, subtitle: str, sections: list[Section]) -> str:
    """The page as HTML.

    Raises:
        MissingExtraError: Jinja is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("a report", "plots") from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(PAGE).render(title=title, subtitle=subtitle, sections=sections)
