"""What is alive: the session, the jobs on their lanes, the settings (QtCore only)."""
