"""Search for better weights: which numbers may move, what is measured, and the study that remembers every trial."""
