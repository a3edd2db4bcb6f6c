"""Train the priors on any folder of motion in AMASS format: ``python -m optim.train``."""
