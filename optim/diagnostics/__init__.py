"""Figures that explain a fit. They are computed on request from one snapshot, never while the optimiser evaluates.

Every function takes ``(fit, snapshot)``; the default is the current snapshot. It returns an immutable value of numpy
arrays, or None where there is nothing to measure, such as a roll-out before stage 3. B is the number of sub-sequences,
T the number of frames.
"""
