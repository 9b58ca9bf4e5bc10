"""Stored KV: variants, files, tiers, events."""
