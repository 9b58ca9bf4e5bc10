"""What touches vLLM."""
