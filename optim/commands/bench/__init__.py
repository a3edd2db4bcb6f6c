"""How fast an evaluation is, held against the matrix products that it cannot do without: ``python -m optim.bench``."""
