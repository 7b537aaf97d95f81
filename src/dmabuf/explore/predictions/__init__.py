"""What the validator predicts of a design, confirmed with a schedule or refuted by exhaustion."""
