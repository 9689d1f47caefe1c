"""The released network: its training on all images, its files, the command, and what they cost."""
