"""OpenMM XML files of single molecules: made by antechamber, checked, and corrected where
published.
"""
