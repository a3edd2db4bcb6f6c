"""What a fit leaves behind: as values, read from disk, and written in any format."""
