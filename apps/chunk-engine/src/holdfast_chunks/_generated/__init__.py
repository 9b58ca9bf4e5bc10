"""Generated from proto/holdfast/chunk/v1. Never edited."""
