"""Campaigns and models that are made in code, from what a campaign file would say."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from halobind.pipeline.campaign.campaign_text import campaign_text, write_campaign_file
from halobind.pipeline.campaign.load import check_integers, parse_campaign, read_toml
from halobind.pipeline.campaign.run_directory import (
    CampaignRuns,
    campaign_file,
    runs_of,
    user_molecules_folder,
)
from halobind.pipeline.campaign.settings import Campaign, CampaignError
from halobind.pipeline.workflow.checks import check_runs, open_campaign
from halobind.pipeline.workflow.model_orders import check_order, model_order
from halobind.structures.assembly.build import build_model
from halobind.structures.models.model import Model

Section = Mapping[str, object]


def new_campaign(
    folder: Path | str,
    sections: Mapping[str, Section] | None = None,
    *,
    replace: bool = False,
    **more_sections: Section,
) -> CampaignRuns:
    """Make a campaign in code: what campaign.toml would say, checked as the file is, and opened.

    The campaign is written to campaign.toml of its directory, so that everything else goes on from
    there, in Python or on the command line. Where that file says the same already, it is left
    alone: a cell of a notebook can be run again.

    Args:
        folder: the campaign directory, which is made if need be.
        sections: the keys and values of each section by its name; lists are axes of a grid.
        replace: write campaign.toml anew where it says something else. What is sampled stays, and
            counts wherever the physics is the same.
        more_sections: sections as keyword arguments; they go before those of `sections`.

    Raises:
        CampaignError: names the key, the value and what to do. Nothing is written then, but for a
            ligand that has no parameters yet, for which `halobind parametrize` needs the file.

    Examples:
        >>> campaign = halobind.new_campaign(
        ...     "in-code",
        ...     model={
        ...         "perovskite": "CsPbBr3",
        ...         "cells": "4x4x3",
        ...         "ligand": ["DA", "DDA"],
        ...         "solvent": "acetone",
        ...         "gap_nm": 6.0,
        ...     },
        ...     sampling={"segments": 4, "replicas": 2},
        ... )
        >>> len(campaign.runs)
        4
    """
    folder = Path(folder)
    path = campaign_file(folder)
    asked_for = {**(sections or {}), **more_sections}
    campaign, text = _checked(asked_for, str(path), folder)
    if path.exists() and not replace and not _says(path, text):
        raise CampaignError(
            f"{path} is there already and says something else: open it with"
            f" open_campaign({str(folder)!r}), replace it with replace=True, or name another"
            " directory"
        )
    if _has_parameters(campaign, folder):
        check_runs(runs_of(folder, campaign), campaign)
    if not (path.exists() and _says(path, text)):
        write_campaign_file(folder, text)
    return open_campaign(folder)


def make_model(
    sections: Mapping[str, Section] | None = None,
    *,
    seed: int = 1,
    **more_sections: Section,
) -> Model:
    """Build one model, as `halobind build` does for a file with at least [model].

    In a notebook the model shows itself as a picture.

    Args:
        sections: the keys and values of each section by its name; [model] is needed, [ligands],
            [forcefield] and [coordinate] count too.
        seed: another one gives other orientations and another packing.
        more_sections: sections as keyword arguments; they go before those of `sections`.

    Raises:
        CampaignError: names the key, the value and what to do.

    Examples:
        >>> model = halobind.make_model(
        ...     model={
        ...         "perovskite": "CsPbBr3",
        ...         "cells": "2x2x1",
        ...         "ligand": "MA",
        ...         "solvent": "vacuum",
        ...         "gap_nm": 2.0,
        ...     }
        ... )
        >>> print(model)
        Model: 35 atoms in 1.17 x 1.17 x 2.58 nm: 7 CS, 16 BR, 4 PB, 1 MA
    """
    name = "make_model"
    campaign, _ = _checked({**(sections or {}), **more_sections}, name, Path())
    specs = [spec for spec in campaign.specs if spec.replica == 0]
    if len(specs) != 1:
        raise CampaignError(f"{name}: lists make {len(specs)} models: give one value for each key")
    order = model_order(specs[0], Path(), seed)
    try:
        check_order(order)
        return build_model(order.spec)[0]
    except (ValueError, RuntimeError) as error:
        raise CampaignError(f"{name}: {error}") from None


def _checked(sections: Mapping[str, object], name: str, folder: Path) -> tuple[Campaign, str]:
    """The campaign that sections make, and its text. Raises CampaignError, calling it `name`."""
    check_integers(dict(sections), name, ())
    text = campaign_text(sections, name)
    return parse_campaign(tomllib.loads(text), name, folder), text


def _says(path: Path, text: str) -> bool:
    """Whether a campaign file says the same as a text, whatever its comments and order."""
    try:
        content = read_toml(path)
    except CampaignError:
        return False
    return _canonical(content) == _canonical(tomllib.loads(text))


def _canonical(content: dict[str, object]) -> str:
    return json.dumps(content, sort_keys=True, default=str)


def _has_parameters(campaign: Campaign, folder: Path) -> bool:
    """Whether every ligand of the user that a run has is parametrised."""
    names = {name for spec in campaign.specs for name in spec.ligands}
    return all((user_molecules_folder(folder) / f"{name}.xml").is_file() for name in names)
