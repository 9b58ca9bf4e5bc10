"""Pins without an engine: what is held, for how long, and who gives way to whom."""
