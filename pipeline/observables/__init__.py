"""Frames of published segments to measured quantities, weighted averages and figures."""
