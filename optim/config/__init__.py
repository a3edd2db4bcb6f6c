"""The command line and configuration files as checked values. Opens no file of data."""
