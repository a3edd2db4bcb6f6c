"""Render the report's templates in the folder ``templates``. Values are escaped unless they are Markup."""

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
    """Text of a template with its values filled in. It is Markup, so it is not escaped again in another template."""
    return Markup(_TEMPLATES.get_template(name).render(values))
