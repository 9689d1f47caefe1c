"""The grid of cells: what is missing, one run, its predictions, rows with intervals."""
