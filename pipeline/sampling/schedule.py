"""In which order a run is made, and what is made at once: phases of chains of steps.

A step is one product, or the segments of neighbouring windows that exchange. The steps of a chain
follow each other; chains of one phase are independent; a phase begins when the one before it is
complete.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.sampling.alchemical_segments import alchemical_segments
from halobind.pipeline.sampling.product import Product
from halobind.pipeline.sampling.products import prepare_products, sampling_chains
from halobind.pipeline.sampling.rounds import rounds_of
from halobind.pipeline.sampling.steps import ExchangeStep, ExchangingSegment, SingleStep
from halobind.pipeline.sampling.window_segments import grid_windows, window_segments

Step = SingleStep | ExchangeStep
Chain = list[Step]


@dataclass(frozen=True)
class Phases:
    """The phases of a run, each a list of chains."""

    preparation: list[Chain]
    """Everything before windows and walkers: one chain."""
    campaign: list[Chain]
    """Windows, exchange groups or walkers as the campaign file asks for them."""
    rounds: list[list[Chain]]
    """What each published round asks for in addition."""

    def in_order(self) -> list[list[Chain]]:
        """All phases, the first one first."""
        return [self.preparation, self.campaign, *self.rounds]


def phases_of(run: Run, campaign: Campaign) -> Phases:
    """What is made of a run, in phases.

    Args:
        run: The run.
        campaign: Says how much sampling is asked for.
    """
    preparation = [single_steps(prepare_products(run, campaign))]
    sampling = campaign.sampling
    if sampling.method == "metadynamics":
        walkers = [single_steps(chain) for chain in sampling_chains(run, campaign)]
        return Phases(preparation, walkers, [])
    size = max(1, sampling.exchange_group)
    if sampling.method == "alchemical":
        return Phases(preparation, _grouped(alchemical_segments(run, campaign), size), [])
    n_segments = dict.fromkeys(grid_windows(run.spec, campaign.windows), sampling.segments)
    windows = [window_segments(window, n, sampling) for window, n in n_segments.items()]
    rounds = []
    for round_ in rounds_of(run):
        requests = round_.requests_of(run.id)
        requests.sort(key=lambda request: (request.window.center_nm, request.window.k))
        added = []
        for request in requests:
            n_before = n_segments.get(request.window, 0)
            added.append(window_segments(request.window, request.segments, sampling)[n_before:])
            n_segments[request.window] = max(n_before, request.segments)
        rounds.append(_grouped([segments for segments in added if segments], size))
    return Phases(preparation, _grouped(windows, size), rounds)


def single_steps(products: Sequence[Product]) -> Chain:
    """A chain that makes one product after the other."""
    return [SingleStep(product) for product in products]


def products_of(chains: Sequence[Chain]) -> Iterator[Product]:
    """Every product of some chains."""
    for chain in chains:
        for step in chain:
            yield from step.products


def first_missing(chain: Chain, published: set[str]) -> int | None:
    """The number of the first step of a chain that is not wholly published; None for no such step.

    Args:
        chain: The steps.
        published: Names of the published products.
    """
    for number, step in enumerate(chain):
        if any(product.name not in published for product in step.products):
            return number
    return None


def _grouped(windows: Sequence[Sequence[ExchangingSegment]], size: int) -> list[Chain]:
    """Chains of `size` neighbouring windows each.

    The windows of a group go on together while they have segments to make.
    """
    chains: list[Chain] = []
    for first in range(0, len(windows), size):
        chain: Chain = []
        for level in zip_longest(*windows[first : first + size]):
            segments = tuple(segment for segment in level if segment is not None)
            if len(segments) == 1:
                chain.append(SingleStep(segments[0]))
            else:
                chain.append(ExchangeStep(segments))
        chains.append(chain)
    return chains
