"""What crosses the border between the window and the optimiser's process: views, findings, commands; numpy only."""
