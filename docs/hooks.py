"""What the docs' site has besides the pages in this folder: the README, notebooks, sources, and the reference.

Pages link to files of the repository as on a code host. On the site such a link leads to a page with the file's text. A
link to a file that does not exist is a warning, with which ``mkdocs build --strict`` fails.
"""

from __future__ import annotations

import json
import logging
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import reference  # noqa: E402

log = logging.getLogger("mkdocs.hooks")

PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
"""Pages that are files of the repository's top folder."""
SOURCE = "source"
"""Folder of the site with the text of the files that pages link to."""
_LINK = re.compile(r"\[([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".lock": "text", "": "text"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that have no file in this folder."""
    for uri, name in PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / name).read_text(encoding="utf-8")))
    for notebook in sorted(Path(config.docs_dir).glob("notebooks/*.ipynb")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=notebook_page(notebook)))
    for uri, text in reference.pages().items():
        files.append(File.generated(config, uri, content=text))
    for target in sorted(linked(files)):
        if files.get_file_from_path(site_uri(target)) is None:
            files.append(File.generated(config, site_uri(target), content=source_page(target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files of the repository lead to their pages on the site."""
    uri = page.file.src_uri
    return rewritten(markdown, uri)


def origin(uri: str) -> Path:
    """The file of the repository that a page of the site shows."""
    if uri in PAGES:
        return ROOT / PAGES[uri]
    if uri.startswith(f"{SOURCE}/"):
        return ROOT / uri.removeprefix(f"{SOURCE}/").removesuffix(".md")
    return ROOT / "docs" / uri


def site_uri(path: Path) -> str:
    """The page of the site that shows a file of the repository."""
    name = path.relative_to(ROOT).as_posix()
    for uri, shown in PAGES.items():
        if shown == name:
            return uri
    in_menu = name.startswith("docs/") and path.suffix != ".py"
    return name.removeprefix("docs/") if in_menu else f"{SOURCE}/{name}.md"


def rewritten(markdown: str, uri: str) -> str:
    """Text of a page with its links turned into links of the site. A link to a folder becomes plain text."""

    def link(found: re.Match[str]) -> str:
        text, (address, hash_, anchor) = found[1], found[2].partition("#")
        target = target_of(uri, found[2])
        if target is None:
            return found[0]
        if not target.exists():
            log.warning("%s links to %s, which does not exist", uri, address)
            return text
        if target.is_dir():
            return text
        there = posixpath.relpath(site_uri(target), posixpath.dirname(uri) or ".")
        return f"[{text}]({there}{hash_}{anchor})"

    return _outside_fences(markdown, lambda part: _LINK.sub(link, part))


def target_of(uri: str, address: str) -> Path | None:
    """The file of the repository that a link leads to; None for links within the page and out of the repository."""
    path = address.partition("#")[0]
    if not path or ":" in path:
        return None
    target = (origin(uri).parent / path).resolve()
    return target if target.is_relative_to(ROOT) else None


def linked(files: Files) -> set[Path]:
    """Files that pages link to and that are no pages themselves."""
    found = set()
    for file in files.documentation_pages():
        for address in re.findall(_LINK, file.content_string):
            target = target_of(file.src_uri, address[1])
            if target is not None and target.is_file() and site_uri(target).startswith(f"{SOURCE}/"):
                found.add(target)
    return found


def source_page(path: Path) -> str:
    """A page with the text of a file, which the search leaves out."""
    head = "---\nsearch:\n  exclude: true\n---\n"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return head + _outside_fences(text, lambda part: _LINK.sub(r"\1", part))
    return f"{head}# {path.relative_to(ROOT).as_posix()}\n\n````{_LANGUAGES.get(path.suffix, 'text')}\n{text}\n````\n"


def notebook_page(path: Path) -> str:
    """The cells of a notebook as a page. Links lead from the notebook's folder."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    parts.append(f"[The notebook as a file]({path.name})")
    return "\n\n".join(parts) + "\n"


def _outside_fences(text: str, change: Any) -> str:
    """Text with ``change`` applied to everything but blocks of code."""
    parts, end = [], 0
    for block in _FENCE.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])
