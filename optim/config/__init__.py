"""Turn the command line and configuration files into checked values. Opens no file of data."""
