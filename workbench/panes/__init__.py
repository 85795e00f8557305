"""Panes: one pane, one file; strangers to one another, meeting only in the Session."""
