"""RequestStreamService as a gRPC service, in the process of vLLM that serves VllmEngine."""
