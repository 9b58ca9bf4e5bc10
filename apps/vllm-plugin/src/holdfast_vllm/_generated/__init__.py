"""Generated from proto/holdfast/kv/v1. Never edited."""
