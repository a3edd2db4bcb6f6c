"""Fit long clips: split them into overlapping sub-sequences, fit these batch by batch, and stitch them together."""
