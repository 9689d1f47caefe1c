"""The command line, the notebook runner and the builder of the report."""

import sys

# Else jsonschema, which nbformat needs, would spend three seconds of each process on parsing the
# grammar of internationalised addresses, and no notebook's schema holds one.
sys.modules.setdefault("rfc3987_syntax", None)
