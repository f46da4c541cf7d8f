"""The path from a campaign file to a table: seven packages that import one way, in the order of
this list.

free_energy < campaign < sampling < results < observables < workflow < commands
"""
