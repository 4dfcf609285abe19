"""The spool: reports that were acknowledged while the store was away, on disk until it has taken them."""
