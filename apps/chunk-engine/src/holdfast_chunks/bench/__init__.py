"""What the quality of reuse is measured with."""
