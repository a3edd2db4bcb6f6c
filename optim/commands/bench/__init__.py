"""Speed of an evaluation, compared with the time of the matrix products that it needs: ``python -m optim.bench``."""
