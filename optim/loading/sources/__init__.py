"""One module a kind of data: each reads what the settings name into a ``Source``; ``loading.problem`` has the table."""
