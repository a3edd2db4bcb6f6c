"""Panels that step and steer the fit."""
