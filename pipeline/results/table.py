"""The binding-energy table of a campaign: its rows, its texts, and how a notebook shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from halobind.pipeline.free_energy.jsonable import Json
from halobind.pipeline.results.table_html import tables_html
from halobind.pipeline.results.table_rows import TableRow, ligand_rows, ordered
from halobind.pipeline.results.table_text import (
    binding_markdown,
    readable_tables,
    record_with_problems,
    short_table,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """The binding-energy table of a campaign: a row a run, and from these a row a ligand.

    In a notebook it shows itself as a table with its curves; `print` gives the text of binding.md.

    Examples:
        >>> table = halobind.make_table(halobind.open_campaign("mycampaign"))
        >>> for record in table.records():
        ...     print(record["ligand"], record["status"].partition(":")[0])
        DA not converged
    """

    rows: Sequence[TableRow]
    """One for each run."""

    @property
    def sound(self) -> bool:
        """Whether no row is an error."""
        return not any(row.error for row in self.rows)

    def records(self, kind: Literal["ligand", "run"] = "ligand") -> list[dict[str, Json]]:
        """The full numbers of the rows, unrounded, under the names of the columns of binding.csv.

        "problems" lists the reasons of a row that is not converged; what is no number is None.

        Args:
            kind: "ligand" for the means over replicas, "run" for every run.

        Raises:
            ValueError: there is no such kind of row.
        """
        return [record_with_problems(row) for row in self._rows_of(kind)]

    def to_pandas(self, kind: Literal["ligand", "run"] = "ligand") -> "pd.DataFrame":
        """The records as a pandas DataFrame; halobind itself does without pandas.

        Args:
            kind: "ligand" for the means over replicas, "run" for every run.

        Raises:
            ImportError: pandas is not installed.
            ValueError: there is no such kind of row.
        """
        records = self.records(kind)
        try:
            import pandas as pd  # noqa: PLC0415 (halobind itself does without it)
        except ImportError:
            raise ImportError(
                "pandas is not installed: pip install pandas, or take table.records()"
            ) from None
        return pd.DataFrame.from_records(records)

    def _rows_of(self, kind: str) -> list[TableRow]:
        if kind == "ligand":
            return ligand_rows(self.rows)
        if kind == "run":
            return ordered(self.rows)
        raise ValueError(f'there are no rows of kind {kind!r}; choose "ligand" or "run"')

    def __str__(self) -> str:
        return binding_markdown(self.rows)

    def __repr__(self) -> str:
        return short_table(self.rows)

    def _repr_html_(self) -> str:
        """The tables, the reasons and the curves, for notebooks."""
        from halobind.pipeline.free_energy.curve_figure import (  # noqa: PLC0415 (matplotlib behind it: only where a table is looked at)
            figure_html,
        )
        from halobind.pipeline.results.pmf_figure import (  # noqa: PLC0415 (as above)
            curves_figure,
        )

        figure = curves_figure(self.rows)
        curves = figure_html(figure, "curves of all runs") if figure is not None else ""
        return tables_html(readable_tables(self.rows)) + curves
