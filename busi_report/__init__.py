"""The command line, the notebook runner and the builder of the report."""
