"""A front end in a browser: the window's layers, tables and commands over the same client, drawn by viser."""
