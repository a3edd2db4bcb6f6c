"""Loss terms: pure functions from arrays to unreduced residuals. Weights, names and scales stand in ``objective.py``."""
