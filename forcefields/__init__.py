"""From a Model to an openmm.System: force-field packs as data, the charge rule, the pair table, the audit."""
