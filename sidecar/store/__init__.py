"""The shared state: one Lua script for each state transition, and what runs them."""
