"""Initialisation of the variables: at the beginning of a fit, and when a free motion becomes a roll-out."""
