"""Loss terms: pure functions from arrays to unreduced residuals. Weights, names, scales: see ``objective.py``."""
