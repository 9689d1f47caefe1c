"""Helper module of the breast-ultrasound study: the notebooks argue, this module computes."""

__version__ = "0.2.0"
CLASSES = ("normal", "benign", "malignant")
SUM_TOLERANCE = 1e-5
"""Three probabilities rounded to six decimals add to 1 within this."""
