"""How Sphinx builds the book: `make book`. Warnings are errors there, so a page that misleads the builder fails."""

import re

import mechopt

project = "mechopt"
author = "The mechopt authors"
project_copyright = author
version = release = mechopt.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"
html_theme = "furo"
html_title = f"mechopt {release}"
exclude_patterns = ["_build"]
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_member_order = "bysource"
nitpicky = False


def _pages(text):
    """The pages the manual's index links to, in its order."""
    return list(dict.fromkeys(re.findall(r"\]\(([\w-]+)\.md\)", text)))


def _reference():
    """Sphinx's directives for every public name."""
    lines = []
    for name in mechopt.__all__:
        if name.startswith("_"):
            continue
        kind = "autoclass" if isinstance(getattr(mechopt, name), type) else "autofunction"
        lines += [f".. {kind}:: mechopt.{name}", *(["   :members:"] if kind == "autoclass" else []), ""]
    return "\n".join(["", "```{eval-rst}", *lines, "```", ""])


def _read(app, docname, source):
    """Complete a page as it is read: the index gets its contents, the reference every public name.

    Links to files outside the book become plain words, because the book holds no copy of the repository.
    """
    text = source[0]
    if docname == root_doc:
        text += "\n".join(["", "```{toctree}", ":hidden:", "", *_pages(text), "```", ""])
    if docname == "api":
        text += _reference()
    source[0] = re.sub(r"(?<!!)\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", text)


def _plain(app, what, name, found, options, lines):
    """Docstrings are plain text: an underscore at the end of a letter, as in the sum over f_(-i), is no link."""
    lines[:] = [x if x.lstrip().startswith((">>>", "...")) else re.sub(r"(?<=\w)_(?!\w)", r"\\_", x) for x in lines]


def setup(app):
    """Sphinx's hooks."""
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _plain)
