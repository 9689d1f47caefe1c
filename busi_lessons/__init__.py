"""Six lessons on testing image classifiers honestly: exercises, their checks, student versions."""

import sys

# Else jsonschema, which nbformat needs, would spend three seconds of each process on parsing the
# grammar of internationalised addresses, and no notebook's schema holds one.
sys.modules.setdefault("rfc3987_syntax", None)

LESSONS = {  # name -> notebook; the module busi_lessons.<name> holds its exercises
    "leak": "L1_leak.ipynb",
    "intervals": "L2_intervals.ipynb",
    "underfitting": "L3_underfitting.ipynb",
    "shortcut": "L4_shortcut.ipynb",
    "calibration": "L5_calibration.ipynb",
    "scanner": "L6_scanner.ipynb",
}
