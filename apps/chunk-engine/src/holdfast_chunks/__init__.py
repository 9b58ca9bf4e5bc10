"""Runs prompts whose parts have stored KV, on a real Llama-family transformer."""

__version__ = "0.1.0"
