"""The released network: its training on all images, its file, and the command that asks it."""
