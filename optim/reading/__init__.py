"""Open, bound and check every file that a user gives. Every failure is an InputError."""
