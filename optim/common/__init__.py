"""The ground that all packages stand on: the error for bad input, timing, threads, rotations. Knows nothing else of ours."""
