"""What all panels and layers share: theme, widgets, plots, layout, and the state of the screen."""
