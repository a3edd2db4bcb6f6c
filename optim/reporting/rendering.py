"""The report's templates, in the folder ``templates``. What is put into one is escaped, unless it is Markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def render(name: str, values: dict[str, Any]) -> Markup:
    """A template of this name with values put in; it is not escaped again where it is put into another."""
    return Markup(_TEMPLATES.get_template(name).render(values))
