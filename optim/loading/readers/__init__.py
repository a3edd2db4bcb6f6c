"""One module for each kind of data. It reads files into a ``Clip``. ``optim.loading.sources`` declares the kinds."""
