"""Fit every clip of a folder: which clips, on several processes or machines, and what came of all of them."""
