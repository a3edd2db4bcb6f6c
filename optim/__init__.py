"""The optimiser: HuMoR's test-time optimisation as values and pure functions. Knows torch and numpy; knows no window."""
