"""One question a file, answered from stored predictions."""
