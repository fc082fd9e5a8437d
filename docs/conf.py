"""Build the documentation: ``make docs``."""

import re
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import ispfit

HOME = "https://github.com/ispfit/ispfit"

project, author, release = "ispfit", "the ispfit authors", ispfit.__version__
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["examples"]  # sphinx-gallery makes pages of it in docs/gallery
default_role = "code"

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["myst.header"]  # pages may begin with code

autosummary_generate = True
autodoc_typehints = "none"  # the parameters' own lines give types
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

_EXAMPLES = [
    "fit_a_camera",
    "search",
    "error_by_brightness",
    "scene_exchange",
    "derender_a_jpeg",
    "deblur",
    "your_own_backbone",
]
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "within_subsection_order": ExplicitOrder([f"plot_{name}.py" for name in _EXAMPLES]),
    "abort_on_example_error": True,
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
}

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

# `make docs-links`. A site that is on this machine is not on the reader's.
linkcheck_ignore = [r"https?://(localhost|127\.0\.0\.1)[:/]"]
linkcheck_anchors_ignore_for_url = [r"https://github\.com/"]  # scripts make them
linkcheck_timeout, linkcheck_retries = 20, 2

templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = f"ispfit {release}"
html_theme_options = {
    "header_links_before_dropdown": 4,
    "github_url": HOME,
    "show_toc_level": 2,
    "navigation_with_keys": False,
}
html_sidebars = {"**": ["pages"]}  # all of them; the theme would show those below the present one
html_copy_source = False


def link_to_the_repository(app, name, source):
    """Links to files outside of docs/, which work as they are in the repository, lead to its site."""
    docs = Path(app.srcdir)
    page = docs / name

    def moved(link):
        path = (page.parent / link[1]).resolve()
        if path.is_relative_to(docs) or not path.exists():
            return link[0]  # of which Sphinx warns if there is no such page
        kind = "tree" if path.is_dir() else "blob"
        return f"]({HOME}/{kind}/main/{path.relative_to(docs.parent)})"

    source[0] = re.sub(r"\]\((\.\./[^)#]*)\)", moved, source[0])


def setup(app):
    app.connect("source-read", link_to_the_repository)
