"""Widgets: plain data in, signals out; they know no engine."""
