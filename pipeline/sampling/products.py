"""Every product of a run, in the order in which it is best made."""

from collections.abc import Sequence
from itertools import zip_longest

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.sampling.alchemical_path import path_steps
from halobind.pipeline.sampling.alchemical_segments import alchemical_segments
from halobind.pipeline.sampling.equilibration_pieces import equilibration_pieces
from halobind.pipeline.sampling.model_and_system import BuildProduct, SystemProduct
from halobind.pipeline.sampling.product import Product
from halobind.pipeline.sampling.pull_steps import pull_steps
from halobind.pipeline.sampling.walker_segments import walker_segments
from halobind.pipeline.sampling.window_segments import window_segments, windows_of


def prepare_products(run: Run, campaign: Campaign) -> list[Product]:
    """Everything before windows, walkers and alchemical states, in order."""
    pieces = equilibration_pieces(run.spec)
    path: Sequence[Product]
    if campaign.sampling.method == "alchemical":
        path = path_steps(run, campaign.alchemical, pieces[-1].name)
    else:
        path = pull_steps(run, pieces[-1].name)
    return [BuildProduct(), SystemProduct(), *pieces, *path]


def sampling_chains(run: Run, campaign: Campaign) -> list[Sequence[Product]]:
    """The segments of every window, walker or alchemical state of a run.

    Args:
        run: The run, with its rounds.
        campaign: Says how much sampling is asked for.
    """
    if campaign.sampling.method == "alchemical":
        return [*alchemical_segments(run, campaign)]
    if campaign.sampling.method == "metadynamics":
        return [
            walker_segments(run, walker, campaign)
            for walker in range(campaign.metadynamics.walkers)
        ]
    return [
        window_segments(window, segments, campaign.sampling)
        for window, segments in windows_of(run, campaign).items()
    ]


def all_products(run: Run, campaign: Campaign) -> list[Product]:
    """Every product of a run, in the order in which it is best made.

    Args:
        run: The run, with its rounds.
        campaign: Says how much sampling is asked for.
    """
    products = prepare_products(run, campaign)
    for level in zip_longest(*sampling_chains(run, campaign)):
        products += [segment for segment in level if segment is not None]
    return products
