"""The loss: its terms, the prediction they judge, and their weighted sum with its gradient."""
