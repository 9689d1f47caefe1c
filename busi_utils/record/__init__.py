"""Numbers, formats, claims and the rules of the verdicts on their way into the report."""
