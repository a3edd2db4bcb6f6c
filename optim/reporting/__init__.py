"""The report of a fit as an HTML page: charts, tables and pictures."""
