"""Execution of a plan: prefill, choice of tokens, statistics, decoding, comparison."""
