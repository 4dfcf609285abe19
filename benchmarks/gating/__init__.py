"""A vectorised simulation of the gate: many runs at once, in floats, with the formulas and constants of `sidecar.gate`.

`arithmetic` has the formulas for whole arrays and checks them against `sidecar.gate`; `worlds` draws coins and rewards;
`rules` decide when to promote; `type_one`, `power`, `delays` and `pipeline` make the tables A to D; `figures` compares.
"""
