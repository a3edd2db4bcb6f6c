"""One module a kind of data: from files to a ``Clip``. Their declarations are in ``optim.loading.sources``."""
