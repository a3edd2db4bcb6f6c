"""From files to values: models, motions, observations. The only place that reads a user's disk."""
