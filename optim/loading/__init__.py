"""Read models, motions and observations from files into values. Data is read nowhere else."""
