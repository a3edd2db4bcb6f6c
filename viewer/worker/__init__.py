"""The optimiser's process: owns the session, obeys commands, publishes views, records the run."""
