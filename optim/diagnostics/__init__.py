"""Figures that explain a fit, worked out on demand from a fit and one of its snapshots; never in the closure.

Every function takes ``(fit, snapshot)``, the snapshot being the current one by default, and returns a frozen value of
numpy arrays, or None where there is nothing to measure, such as a roll-out before stage 3. B sub-sequences, T frames.
"""
