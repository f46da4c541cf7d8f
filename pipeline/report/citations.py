"""The works to cite for a campaign, as BibTeX."""

from dataclasses import dataclass

from halobind.pipeline.campaign.settings import Campaign


@dataclass(frozen=True)
class Work:
    """One work."""

    kind: str
    """Type of the entry in BibTeX."""
    key: str
    fields: dict[str, str]
    """The fields of the entry, in their order."""

    @property
    def bibtex(self) -> str:
        """The entry."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _article(key: str, text: str) -> Work:
    """An article from "authors | title | journal | year | volume | first page | DOI"."""
    names = ("author", "title", "journal", "year", "volume", "pages", "doi")
    values = [part.strip() for part in text.split("|")]
    return Work("article", key, dict(zip(names, values, strict=True)))


OPENMM = _article(
    "openmm8",
    "Eastman, Peter and others | OpenMM 8: Molecular Dynamics Simulation with Machine Learning"
    " Potentials | J. Phys. Chem. B | 2024 | 128 | 109 | 10.1021/acs.jpcb.3c06662",
)
MBAR = _article(
    "mbar",
    "Shirts, Michael R. and Chodera, John D. | Statistically optimal analysis of samples from"
    " multiple equilibrium states | J. Chem. Phys. | 2008 | 129 | 124105 | 10.1063/1.2978177",
)
UMBRELLA = _article(
    "umbrella",
    "Torrie, G. M. and Valleau, J. P. | Nonphysical sampling distributions in Monte Carlo"
    " free-energy estimation: Umbrella sampling | J. Comput. Phys. | 1977 | 23 | 187 |"
    " 10.1016/0021-9991(77)90121-8",
)
EQUILIBRATION = _article(
    "equilibration",
    "Chodera, John D. | A Simple Method for Automated Equilibration Detection in Molecular"
    " Simulations | J. Chem. Theory Comput. | 2016 | 12 | 1799 | 10.1021/acs.jctc.5b00784",
)
DIFFUSION = _article(
    "diffusion",
    "Hummer, Gerhard | Position-dependent diffusion coefficients and free energies from Bayesian"
    " analysis of equilibrium and replica molecular dynamics simulations | New J. Phys. | 2005 | 7"
    " | 34 | 10.1088/1367-2630/7/1/034",
)
METADYNAMICS = _article(
    "welltempered",
    "Barducci, Alessandro and Bussi, Giovanni and Parrinello, Michele | Well-Tempered Metadynamics:"
    " A Smoothly Converging and Tunable Free-Energy Method | Phys. Rev. Lett. | 2008 | 100 | 020603"
    " | 10.1103/PhysRevLett.100.020603",
)
MEAN_FORCE = _article(
    "meanforce",
    "Marinova, Veselina and Salvalaglio, Matteo | Time-independent free energies from metadynamics"
    " via mean force integration | J. Chem. Phys. | 2019 | 151 | 164115 | 10.1063/1.5123498",
)
PACKMOL = _article(
    "packmol",
    "Martínez, L. and Andrade, R. and Birgin, E. G. and Martínez, J. M. | PACKMOL: A package for"
    " building initial configurations for molecular dynamics simulations | J. Comput. Chem. | 2009"
    " | 30 | 2157 | 10.1002/jcc.21224",
)
GAFF = _article(
    "gaff",
    "Wang, Junmei and Wolf, Romain M. and Caldwell, James W. and Kollman, Peter A. and Case, David"
    " A. | Development and testing of a general amber force field | J. Comput. Chem. | 2004 | 25 |"
    " 1157 | 10.1002/jcc.20035",
)
REFERENCE_WORK = _article(
    "stelmakh2021",
    "Stelmakh, Andriy and Aebli, Marcel and Baumketner, Andrij and Kovalenko, Maksym V. | On the"
    " Mechanism of Alkylammonium Ligands Binding to the Surface of CsPbBr3 Nanocrystals | Chem."
    " Mater. | 2021 | 33 | 5962 | 10.1021/acs.chemmater.1c01081",
)


def works_of(campaign: Campaign, version: str) -> list[Work]:
    """The works that the numbers of a campaign rest on.

    Args:
        campaign: its settings.
        version: of halobind.
    """
    halobind = Work(
        "software",
        "halobind",
        {
            "author": "{halobind developers}",
            "title": "halobind: binding free energies of ligands on halide-perovskite surfaces",
            "version": version,
        },
    )
    if campaign.sampling.method == "metadynamics":
        method = [METADYNAMICS, MEAN_FORCE]
    else:
        method = [UMBRELLA, MBAR, EQUILIBRATION, DIFFUSION]
    return [halobind, REFERENCE_WORK, OPENMM, *method, PACKMOL, GAFF]


def bibtex(campaign: Campaign, version: str) -> str:
    """All of them as one text."""
    return "\n\n".join(work.bibtex for work in works_of(campaign, version))
