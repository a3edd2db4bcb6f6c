"""The optimiser: HuMoR's test-time optimisation as values and pure functions. Knows no window."""
