"""Build the documentation: ``make docs``."""

import ispfit

project, author, release = "ispfit", "the ispfit authors", ispfit.__version__
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
default_role = "code"

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["myst.header"]  # pages may begin with code

autosummary_generate = True
autodoc_typehints = "none"  # the parameters' own lines give types
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"ispfit {release}"
html_theme_options = {
    "header_links_before_dropdown": 4,
    "github_url": "https://github.com/ispfit/ispfit",
    "show_toc_level": 2,
    "navigation_with_keys": False,
}
html_copy_source = False
