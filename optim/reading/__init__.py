"""The one way to a user's disk: every file is opened, bounded and checked here, and every failure is an InputError."""
