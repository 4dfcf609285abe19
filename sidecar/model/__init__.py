"""The words of the product as plain values: no I/O, no dependencies beyond the standard library."""
