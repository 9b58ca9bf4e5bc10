"""Generated from proto/holdfast/engine/v1 and proto/holdfast/kv/v1. Never edited."""
