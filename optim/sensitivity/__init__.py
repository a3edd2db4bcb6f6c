"""Predictions of what another weight would change, from the curvature of the loss, before any iteration is done."""
