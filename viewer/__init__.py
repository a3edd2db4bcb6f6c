"""The window: draws what the optimiser did and sends it commands. Runs in its own process, without torch."""
