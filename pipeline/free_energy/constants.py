"""Constants of nature and of the standard state, each once."""

GAS_CONSTANT = 8.31446261815324e-3
"""kJ/mol/K, exact by the SI of 2019."""
STANDARD_PER_NM3 = 0.602214076
"""Molecules per nm3 at 1 mol/L."""
