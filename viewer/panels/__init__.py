"""One file a panel: a function of (view, ui) that draws and yields commands, and waits for nothing."""
