"""Checks of a force-field pack against experiment and reference calculations: pure functions from a
pack to judged rows.
"""
