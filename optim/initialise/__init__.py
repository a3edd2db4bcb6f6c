"""Where the variables begin: at the start of a fit, and where a free motion becomes a roll-out."""
