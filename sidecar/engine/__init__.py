"""Recommend, reward, release, snapshot, restore, status: the flows, and the two shells around them."""
