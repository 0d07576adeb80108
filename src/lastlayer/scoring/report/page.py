"""Templates to pages."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from lastlayer import __version__
from lastlayer.scoring.report.definitions import definitions
from lastlayer.scoring.text import clean

LONGEST_TITLE = 120  # letters
PACKAGES = ("numpy", "numba", "matplotlib", "jinja2")


def render(template: str, *, title: str, settings: Mapping[str, Any], **values: Any) -> str:
    """A page: what is given to the template is text there, never markup.

    Parameters
    ----------
    template : str
        A file of the folder ``templates``.
    title : str
        Of the page; any characters.
    settings : mapping
        What the numbers were made with.
    **values
        What the template asks for beside those.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lastlayer.scoring.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    versions = {"lastlayer": __version__, "Python": platform.python_version()}
    return environment.get_template(template).render(
        title=clean(title, LONGEST_TITLE),
        settings=[
            (clean(name), clean(value)) for name, value in settings.items() if value is not None
        ],
        versions=[*versions.items(), *((name, version(name)) for name in PACKAGES)],
        definitions=definitions(),
        **values,
    )
