"""Sphinx: notebooks and lessons as a static site that asks no other server for anything."""

project = "Breast ultrasound, re-examined"
author = "the authors"
project_copyright = author
extensions = ["myst_nb", "sphinx_copybutton"]
html_theme = "sphinx_book_theme"
html_title = "Lab book: breast ultrasound, re-examined"
html_static_path = ["_static"]
html_css_files = ["lab.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
nb_execution_mode = "off"  # the outputs are those stored in the notebooks
nb_merge_streams = True
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline"]
myst_heading_anchors = 3
mathjax_path = "mathjax/tex-svg.js"  # one file, without fonts to fetch: formulas work from a disk
copybutton_selector = "div.highlight pre"
suppress_warnings = ["myst.xref_missing", "myst.header", "mystnb.unknown_mime_type"]
templates_path = []
