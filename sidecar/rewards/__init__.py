"""From signals to one reward. Pure."""
