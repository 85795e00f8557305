"""The Inside pane."""
