"""KvControl as a gRPC service."""
