"""The docs' site: it builds without a warning, every page is in its menu, and the reference is that of the program."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest
import yaml

from optim.config.options import OPTIONS
from optim.diagnostics.quantities import QUANTITIES
from optim.schedule.terms import TERMS
from tests.imports import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def hooks():
    sys.path.insert(0, str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DOCS))
    return module


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python objects, without making any."""


_Loader.add_multi_constructor("", lambda loader, suffix, node: suffix)


def menu() -> list[str]:
    """Pages of the site's menu."""
    configuration = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return re.findall(r"[\w/]+\.md", str(configuration["nav"]))


def test_the_menu_has_every_page_once(hooks):
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    made = {*hooks.PAGES, *hooks.reference.pages(), *(f"notebooks/{n.stem}.md" for n in DOCS.rglob("*.ipynb"))}
    assert len(menu()) == len(set(menu())) and set(menu()) == written | made


def test_the_reference_has_every_flag_quantity_and_term(hooks):
    pages = hooks.reference.pages()
    flags = pages["reference/flags.md"]
    assert all(f"`{one.flag}`" in flags for one in OPTIONS.values())
    assert all(f"`{term.flag}`" in flags for term in TERMS)
    quantities = pages["reference/quantities.md"]
    assert all(f"`{term.name}`" in quantities for term in TERMS)
    assert all(f"| {quantity.label} |" in quantities for quantity in QUANTITIES.values())
    for page in pages.values():
        rows = [line for line in page.splitlines() if line.startswith("|")]
        assert all(line.endswith("|") for line in rows)


def test_links_out_of_the_docs_lead_to_the_text_of_the_file(hooks):
    text = "see [the terms](../optim/schedule/terms.py) and [the table](../README.md#use), [all](../optim/schedule)"
    assert hooks.rewritten(text, "diagnostics.md") == (
        "see [the terms](source/optim/schedule/terms.py.md) and [the table](index.md#use), all"
    )
    assert hooks.rewritten("![w](docs/images/window.png)", "index.md") == "![w](images/window.png)"
    assert hooks.rewritten("```\n[x](../README.md)\n```\n", "data.md") == "```\n[x](../README.md)\n```\n"


def test_a_link_to_nothing_is_a_warning(hooks, caplog):
    with caplog.at_level("WARNING", logger="mkdocs.hooks"):
        hooks.rewritten("[x](../optim/nowhere.py)", "data.md")
    assert "data.md links to ../optim/nowhere.py, which does not exist" in caplog.text


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "images/window.png" in home and (tmp_path / "site" / "images" / "window.png").is_file()
    assert "load_session" in (tmp_path / "site" / "reference" / "api.html").read_text(encoding="utf-8")
