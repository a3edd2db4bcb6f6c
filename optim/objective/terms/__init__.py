"""The functions of the loss terms: from a ``Scene`` to unreduced residuals. Their rows: ``optim/schedule/terms.py``."""
