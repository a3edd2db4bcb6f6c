"""One module a source of data, found by itself: each declares ``DataSource`` values and imports torch only to read."""
