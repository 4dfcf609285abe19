"""How fast the sidecar serves, beside servers that do less, the same, or something like it. See `benchmarks/speed.py`.

The files, in the order in which they are best read: `arithmetic` (medians, percentiles, ratios), `bodies` (what is
asked), `load` (who asks), `store`, `processes` and `usage` (what runs, and what it costs), `peer_server` and
`redis_work` (who else answers), `bench` (all of it, running), `closed_loop`, `open_loop`, `footprint`, `many_arms`,
`growth`, `in_process` (what is measured), `document` (the JSON), `tables`, `charts` and `report` (for people).
"""
