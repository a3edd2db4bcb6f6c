"""One module for each data source. Modules declare ``DataSource`` values and are found without being listed."""
