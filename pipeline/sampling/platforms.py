"""Which OpenMM platform runs: the named one, or the best that works; never a silent substitute."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

import openmm as mm

from halobind.forcefields.hamiltonian.cpu_pair_forces import write_out_tables

PLATFORM_NAMES = ("CUDA", "HIP", "OpenCL", "CPU", "Reference")
POCL = "Portable Computing Language"
PROBE = """
import json, sys, openmm as mm
system = mm.System()
force = mm.NonbondedForce()
for i in range(2):
    system.addParticle(1.0)
    force.addParticle(0.0, 0.3, 1.0)
system.addForce(force)
platform = mm.Platform.getPlatformByName(sys.argv[1])
context = mm.Context(system, mm.VerletIntegrator(0.001), platform)
context.setPositions([mm.Vec3(0, 0, 0), mm.Vec3(0.4, 0, 0)])
context.getState(getForces=True)
print(json.dumps({n: platform.getPropertyValue(context, n) for n in platform.getPropertyNames()}))
"""


class PlatformError(RuntimeError):
    """The named platform cannot be used; the message lists what can and why the others failed.

    Examples:
        >>> try:
        ...     outcome = halobind.run_campaign(campaign, platform="CPU")
        ... except halobind.PlatformError as error:
        ...     print(error)
    """


@dataclass(frozen=True)
class MDPlatform:
    """A platform with the properties that a Context gets."""

    name: str
    """One of PLATFORM_NAMES."""
    properties: tuple[tuple[str, str], ...]
    """Pairs of a property's name and value."""

    @property
    def is_gpu(self) -> bool:
        """Whether it computes on a graphics card."""
        return self.name in ("CUDA", "HIP", "OpenCL")

    def form(self, system: mm.System) -> mm.System:
        """`system`, or a copy with its tabulated pair force in the form that is faster here."""
        return write_out_tables(system) if self.name == "CPU" else system

    def context(self, system: mm.System, integrator: mm.Integrator) -> mm.Context:
        """Make a Context of the `form` of `system` on the platform.

        Forces whose parameters change later have to be added to the `form` itself.

        Args:
            system: The Hamiltonian.
            integrator: Gets bound to the Context.
        """
        return mm.Context(
            self.form(system),
            integrator,
            mm.Platform.getPlatformByName(self.name),
            dict(self.properties),
        )


@cache
def probe(name: str) -> tuple[bool, str]:
    """Try whether a platform computes forces, in another process: a broken driver may crash it.

    Args:
        name: Of the platform.

    Returns:
        Whether it does, and its device or why it does not.
    """
    if name not in registered():
        return False, (
            "not installed"
            if not _load_failures(name)
            else f"plugin failed to load: {_load_failures(name)[0]}"
        )
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROBE, name], capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return False, "no answer in 120 s"
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return False, lines[-1] if lines else f"crashed with exit code {done.returncode}"
    properties = json.loads(done.stdout.strip().splitlines()[-1])
    device = properties.get("OpenCLPlatformName") or properties.get("DeviceName") or ""
    return True, device


def registered() -> tuple[str, ...]:
    """The names of the platforms that OpenMM has loaded."""
    return tuple(mm.Platform.getPlatform(i).getName() for i in range(mm.Platform.getNumPlatforms()))


def _load_failures(name: str) -> list[str]:
    return [
        text
        for text in mm.Platform.getPluginLoadFailures()
        if f"libOpenMM{name}." in text or f"OpenMM{name}.dll" in text
    ]


def choose(name: str, threads: int = 1) -> MDPlatform:
    """Choose the platform that computes.

    Args:
        name: Of the platform; "auto" for the first of PLATFORM_NAMES that works (never PoCL).
        threads: How many threads the CPU platform uses.

    Raises:
        PlatformError: It does not work; the message says which do and why the others do not.
    """
    if name != "auto":
        works, why = probe(name)
        if not works:
            raise PlatformError(f"platform {name} cannot be used here ({why}). {describe()}")
        return _choice(name, threads)
    for candidate in PLATFORM_NAMES:
        works, device = probe(candidate)
        if works and POCL not in device:
            return _choice(candidate, threads)
    raise PlatformError(f"no OpenMM platform works here. {describe()}")


def _choice(name: str, threads: int) -> MDPlatform:
    if name == "CPU":
        return MDPlatform(name, (("Threads", str(threads)), ("DeterministicForces", "true")))
    if name in ("CUDA", "HIP", "OpenCL"):
        return MDPlatform(name, (("Precision", "mixed"),))
    return MDPlatform(name, ())


def describe() -> str:
    """One sentence: what works here and why the rest does not."""
    results = {name: probe(name) for name in PLATFORM_NAMES}
    working = [name for name, (works, _) in results.items() if works]
    broken = [f"{name}: {why}" for name, (works, why) in results.items() if not works]
    return (
        f"Working here: {', '.join(working) or 'none'}. Not working: {'; '.join(broken) or 'none'}."
    )


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
