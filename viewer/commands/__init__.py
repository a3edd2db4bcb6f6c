"""Tools that draw or film without a user: ``python -m viewer.NAME``, and runs without a window."""
