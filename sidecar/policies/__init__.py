"""The menu of policies, one per file. Pure: arm statistics in, exact probabilities out."""
