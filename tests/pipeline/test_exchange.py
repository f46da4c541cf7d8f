"""Windows that exchange sample the same distributions as windows that do not; swap rates are those of the Metropolis rule."""
