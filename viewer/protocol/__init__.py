"""The values that the window and the optimiser's process exchange: views, findings and commands. Needs numpy only."""
