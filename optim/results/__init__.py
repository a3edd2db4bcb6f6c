"""Results of a fit: as values, read from disk, and written in several formats."""
