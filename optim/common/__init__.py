"""What all packages use: errors, exit status, progress, timing, threads and rotations. Imports no other package."""
