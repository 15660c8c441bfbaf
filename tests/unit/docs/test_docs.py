"""The documentation: it builds without a warning, its links lead somewhere, its commands are there, its drawings are their texts."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml
from markdown import markdown
from markdown_it import MarkdownIt

from elt.check import _tracked, run_all
from elt.ci.site import leading_out
from elt.ci.tools import docs_commands
from elt.cli import cli
from elt.diagrams import DIAGRAMS, drawings
from foundation.settings import ROOT
from tests import incidents

LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)")
FENCE = re.compile(r"```(?:sh|bash)?\n(.*?)```", re.S)
CODE = re.compile(r"`([^`\n]+)`")
PROSE = {"elt …", "elt"}
FILE = re.compile(r"[\w./-]+(\.(py|sql|ya?ml|toml|json|md|sh|tf|txt|lock)(::\w+)?|/)")
PLACEHOLDER = re.compile(r"NAME|STREAM|ELT_HOME|vN|^\.local|^/")
# of other projects, made while something runs, or written in CONTRIBUTING's examples
ELSEWHERE = {
    *("entrypoint.py", "WellKnownTypes.json", "config.json"),
    *("stg_cultures.sql", "infrastructure/elt/grains.py", "tests/unit/elt/test_grains.py"),
}


def pages() -> list[Path]:
    return [ROOT / name for name in _tracked("*.md") if not name.startswith(".github")]


def test_docs_build_without_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_all(docs_commands(tmp_path / "site")) == [], capfd.readouterr().out
    assert (tmp_path / "site" / "quick-start" / "index.html").exists()
    assert '<h2 id="fct_sales">' in (tmp_path / "site" / "data-dictionary" / "index.html").read_text()
    assert "docs/data-dictionary.md" not in _tracked("docs/*.md")


def test_broken_link_fails_the_build(tmp_path: Path) -> None:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "infrastructure" / "elt" / "ci").mkdir(parents=True)
    shutil.copy(
        ROOT / "infrastructure" / "elt" / "ci" / "site.py", tmp_path / "infrastructure" / "elt" / "ci"
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# Page\n\n[gone](gone.md)\n")
    (command,) = docs_commands(tmp_path / "site")
    config = [*command.words, "--config-file", str(tmp_path / "mkdocs.yml")]
    assert run_all([command._replace(words=config)]) == ["docs"]


def missing_files(text: str, folder: Path, files: list[str]) -> list[str]:
    """The files and folders between backticks that are neither below the page's folder, nor in the repository."""
    named = {
        name.split("::")[0].rstrip("/") for name in CODE.findall(FENCE.sub("", text)) if FILE.fullmatch(name)
    }
    within = "\n".join(files)
    return sorted(
        name
        for name in named - ELSEWHERE
        if not PLACEHOLDER.search(name)
        and not (folder / name).exists()
        and not (ROOT / name).exists()
        and f"/{name}/" not in within
    )


def test_every_file_that_a_page_names_is_there() -> None:
    files = [f"/{name}/" for name in _tracked()]
    found = {
        page.relative_to(ROOT).as_posix(): missing_files(page.read_text(), page.parent, files)
        for page in pages()
        if page.name != "CHANGELOG.md"  # it tells of what was
    }
    assert {page: names for page, names in found.items() if names} == {}


def test_file_that_is_not_there_is_found() -> None:
    files = ["/tests/unit/docs/test_docs.py/"]
    assert missing_files(
        "`docs/test_docs.py::x` `unit/docs/` `no.py` `connections/NAME.yaml`", ROOT, files
    ) == ["no.py"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt().parse(page.read_text())
    headings = [text.content for at, text in pairwise(tokens) if at.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    broken = []
    for page in pages():
        for link, anchor in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
            target = page.parent / link if link else page
            if re.match(r"[a-z]+:", link):
                continue
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link}#{anchor}")
    assert broken == []


def broken_tables(text: str) -> list[str]:
    """What of a page's source lines with `|` is not a whole row of a rendered table, on GitHub or on the site."""
    lines = text.splitlines()
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    fenced = {at for token in tokens if token.type == "fence" for at in range(*(token.map or (0, 0)))}
    rows = {at for at, line in enumerate(lines) if line.lstrip().startswith("|")} - fenced
    tables = [range(*(token.map or (0, 0))) for token in tokens if token.type == "table_open"]
    shown = {at for table in tables for at in table}
    wrong = [f"line {at + 1} is in no table" for at in sorted(rows - shown)]
    wrong += [f"line {at + 1} is a row without |" for at in sorted(shown - rows)]
    for table in tables:
        cells = [len(re.split(r"(?<!\\)\|", lines[at].strip().strip("|"))) for at in table]
        wrong += [
            f"line {at + 1} has {count} cells of {cells[0]}"
            for at, count in zip(table, cells, strict=True)
            if count != cells[0]
        ]
    site = markdown(text, extensions=["tables", "fenced_code"]).count("<tr>")
    if site != len(rows) - len(tables):  # the line under the head is no row
        wrong.append(f"the site shows {site} rows of {len(rows) - len(tables)}")
    return wrong


def test_every_line_of_a_table_is_a_row_of_the_page() -> None:
    found = {page.relative_to(ROOT).as_posix(): broken_tables(page.read_text()) for page in pages()}
    assert {page: wrong for page, wrong in found.items() if wrong} == {}


def test_broken_table_is_found() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert broken_tables(f"# Page\n\n{table}\n```\n| no table |\n```\n") == []
    assert broken_tables(f"{table}\nText.\n| 3 | 4 |\n") == [
        "line 6 is in no table",
        "the site shows 2 rows of 3",
    ]
    assert broken_tables(f"{table}| 3 |\n") == ["line 4 has 1 cells of 2"]
    assert broken_tables(f"{table}| `x|y` | 4 |\n") == ["line 4 has 3 cells of 2"]


def commands(page: Path) -> set[str]:
    """The `elt …` commands that a page names, in its fences and between backticks."""
    text = page.read_text()
    lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
    lines += CODE.findall(FENCE.sub("", text))
    found = set()
    for line in lines:
        for part in re.split(r"&&|;|\|\|", re.split(r" #| \| |: ", line)[0]):
            words = part.strip().removeprefix(".venv/bin/").strip()
            if words.startswith("elt ") and words not in PROSE:
                found.add(words)
    return found


def unknown(words: str) -> str:
    """What of a command is not there: a verb or an option; "" when all is."""
    command: click.Command = cli
    context = click.Context(cli)
    for word in words.split()[1:]:
        if word.startswith("-"):
            options = {
                name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)
            }
            if not re.match(r"-[\w-]+", word):
                continue
            if re.match(r"--?[\w-]+", word)[0] not in options | {"--help", "-h"}:
                return word
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", word):
            following = command.get_command(context, word)
            if following is None:
                return word
            command, context = following, click.Context(following, parent=context)
    return ""


def test_every_command_that_the_documentation_names_is_there() -> None:
    named = {(str(page.relative_to(ROOT)), words) for page in pages() for words in commands(page)}
    assert len(named) > 100
    assert [(page, words, what) for page, words in sorted(named) if (what := unknown(words))] == []


def test_command_that_is_not_there_is_found() -> None:
    assert unknown("elt ci dtb --base main") == "dtb"
    assert unknown("elt ci dbt --bass main") == "--bass"
    assert unknown("elt ci dbt --base main") == ""


def test_make_targets_that_the_documentation_names_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        word
        for page in pages()
        for block in [*FENCE.findall(page.read_text()), *CODE.findall(page.read_text())]
        for line in block.splitlines()
        for word in re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)", line)
    }
    assert {"demo", "test"} <= named <= targets


def test_drawings_are_what_their_texts_say() -> None:
    drawn = drawings()
    assert len(drawn) == len(list(DIAGRAMS.glob("*.yaml"))) > 1
    for target, text in drawn.items():
        assert target.read_text() == text, "run `python -m elt.diagrams`"
        titles = [
            box["title"]
            for box in yaml.safe_load((DIAGRAMS / f"{target.stem}.yaml").read_text())["boxes"].values()
        ]
        assert all(f">{title.replace('&', '&amp;')}<" in text for title in titles)


def test_a_row_of_an_incident_that_is_played_again_takes_its_place_in_the_runbook(tmp_path: Path) -> None:
    page = Path(shutil.copy(incidents.PAGE, tmp_path))
    before = incidents.written(page)
    incidents.write([], page)
    assert page.read_text() == incidents.PAGE.read_text()
    again = incidents.Row("source restarted", "a | b", "c", "d", "e", "f", 7)
    incidents.write([again], page)
    after = incidents.written(page)
    assert after[7] == ["source restarted", "a \\| b", "c", "d", "e", "f", "7"]
    assert after[:7] + after[8:] == before[:7] + before[8:]


def test_the_runbook_has_the_ten_incidents_as_they_were_played() -> None:
    rows = incidents.written()
    assert [row[0] for row in rows] == list(incidents.NAMES)
    for row in rows:
        assert len(row) == len(incidents.HEAD) and all(row) and int(row[-1]) > 0, row


def test_links_out_of_docs_lead_to_the_repository_or_are_text() -> None:
    text = "[a](../Makefile) [b](operate.md) ![p](../x.png)"
    assert leading_out(text, "README.md", "https://h/o/r") == (
        "[a](https://h/o/r/blob/main/Makefile) [b](operate.md) ![p](../x.png)"
    )
    assert leading_out(text, "README.md", "") == "a [b](operate.md) ![p](../x.png)"
    assert leading_out("[two\nlines](../Makefile)", "README.md", "") == "two\nlines"
    assert leading_out("[c](../marts.md)", "decisions/0001.md", "") == "[c](../marts.md)"
