"""The tools behind ``python -m optim.NAME``. Nothing imports from here."""
