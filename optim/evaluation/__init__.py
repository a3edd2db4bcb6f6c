"""How good fits are: figures of results, and the paper's protocols on motion capture."""
