"""Write results and exports to files, with one module for each format."""
