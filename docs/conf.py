"""Sphinx's configuration. `make docs` builds the site; every warning is an error."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extension"), str(HERE.parent)]

project = "FanFabler"
author = "The FanFabler authors"
project_copyright = "the FanFabler authors; MIT licence"
version = release = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design", "fanfabler_reference"]
exclude_patterns = ["_build", "_extension"]
root_doc = "index"
language = "en"
nitpicky = True
smartquotes = False  # what is quoted is often to be typed

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = f"FanFabler {version}"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#5b3fb0", "color-brand-content": "#5b3fb0"},
    "dark_css_variables": {"color-brand-primary": "#b7a3ff", "color-brand-content": "#b7a3ff"},
}
html_show_sourcelink = False
html_copy_source = False
