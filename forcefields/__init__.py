"""From a Model to an openmm.System: force-field packs as data, the charge rule, the Hamiltonian,
its validation.

The packages import one way: packs < hamiltonian < molecule_parameters < validation. The numbers are
in data/.
"""
