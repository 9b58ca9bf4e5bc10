"""The gRPC server of holdfast.chunk.v1."""
