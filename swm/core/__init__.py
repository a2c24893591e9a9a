"""The contracts that every room builds on; imports nothing of the suite beyond itself."""
