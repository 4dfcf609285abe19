"""Limits that are enforced before an arm is returned. Pure."""
