"""What moves when, for how long and under which weights; as data, without torch."""
