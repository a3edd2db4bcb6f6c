"""From values to files: results and exports, one module a format."""
