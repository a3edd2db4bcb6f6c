"""Training of the priors from any folder of AMASS-format motion: ``python -m optim.train``."""
