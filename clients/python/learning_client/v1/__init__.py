"""Generated from proto/learning/v1."""
