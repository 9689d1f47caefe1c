"""What the fast ways are worth, as ratios in one run; not part of the helper."""
