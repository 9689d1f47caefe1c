"""Synthetic breast-ultrasound images with planted faults, and the ledger that lists them."""
