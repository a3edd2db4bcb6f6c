"""The same networks folded and compiled. This is the only door to numba."""
