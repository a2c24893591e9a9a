"""Parts that two or more baselines use."""
