"""Stages, simulation, analysis, tables and the command line: the package that ties the other three together."""
