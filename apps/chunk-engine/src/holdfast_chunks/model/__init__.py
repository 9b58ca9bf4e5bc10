"""The transformer: configuration, weights, rotation, layers, tokens."""
