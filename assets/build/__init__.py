"""Commands that rebuild the files under ``assets/`` from their public sources."""
