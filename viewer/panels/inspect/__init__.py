"""Panels that show what is wrong with a fit."""
