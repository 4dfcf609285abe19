"""The configuration: what may be declared, and its validation."""
