"""Generated from proto/learning/v1; see proto/generate.py."""
