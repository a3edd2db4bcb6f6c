"""The parts of the page, one file each: a part makes its widgets once, and follows the view and the screen's state."""
