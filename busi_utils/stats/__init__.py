"""Metrics, intervals, paired tests and calibration: arrays in, tables out."""
