"""The ground that all packages stand on: errors, timing, threads, rotations. Knows nothing else of ours."""
