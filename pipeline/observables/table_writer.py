"""The tidy table of a run, table.parquet and table.csv."""

from pathlib import Path

import numpy as np

from halobind.pipeline.observables.measured_rows import Rows

TABLE = (
    "window_nm",
    "k_kJ_mol_nm2",
    "segment",
    "frame",
    "head",
    "record",
    "time_ps",
    "z_nm",
    "r_nm",
    "weight",
)


class TableWriter:
    """Writes the tidy table, table.parquet and table.csv, a segment after the other."""

    def __init__(self, out: Path, columns: list[str]) -> None:
        """Open both files.

        Args:
            out: The folder of the files.
            columns: The columns of the scalars, after those of TABLE.
        """
        import pyarrow as pa  # noqa: PLC0415 (optional)
        import pyarrow.csv  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415

        whole = {"segment", "frame", "head", "record"}
        self.schema = pa.schema(
            [(name, pa.int32() if name in whole else pa.float64()) for name in (*TABLE, *columns)]
        )
        self._to = [
            pa.parquet.ParquetWriter(out / "table.parquet", self.schema),
            pa.csv.CSVWriter(out / "table.csv", self.schema),
        ]

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._to:
            file.close()

    def write(self, rows: Rows, weight: np.ndarray) -> None:
        """Write the rows of a segment.

        Args:
            rows: The rows.
            weight: Of each row (rows,); NaN where it has none.
        """
        import pyarrow as pa  # noqa: PLC0415 (optional)

        n = len(rows.frame)
        window = rows.series.window
        first = [
            np.full(n, window.center_nm),
            np.full(n, window.k),
            np.full(n, rows.series.number),
            rows.frame,
            rows.head,
        ]
        data = [
            *first,
            rows.table[:, 0].astype(int),
            rows.table[:, 1],
            rows.table[:, 2],
            rows.table[:, 3],
            weight,
            *rows.values.T,
        ]
        arrays = [
            pa.array(values, type=kind, from_pandas=True)
            for values, kind in zip(data, self.schema.types, strict=True)
        ]
        for file in self._to:
            file.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
