"""Binding free energies of ligands on halide-perovskite surfaces: a campaign file in, a table with
honest error bars out.
"""
