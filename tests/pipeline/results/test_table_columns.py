"""The columns of binding.csv: their names and order are what scripts of users read."""

import math
from dataclasses import fields

from halobind.pipeline.free_energy.binding import FLOATS, QUANTITIES, Binding
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.table_columns import COLUMNS, full_record
from tests.pipeline.results.rows import row, simple

HEADERS = """
kind,ligand,perovskite,surface,solvent,forcefield,temperature_K,replica,path,dG0_kJ_mol,
dG0_error_kJ_mol,dG0_kcal_mol,dG0_error_kcal_mol,dG0_replica_sem_kJ_mol,
dG0_propagated_error_kJ_mol,well_depth_kJ_mol,well_depth_error_kJ_mol,z_min_nm,z_min_error_nm,
desorption_barrier_kJ_mol,desorption_barrier_error_kJ_mol,adsorption_barrier_kJ_mol,
adsorption_barrier_error_kJ_mol,K_a_nm3,K_a_error_nm3,penetration_nm,penetration_error_nm,
residence_log10_s,residence_log10_error_s,residence_time_s,k_off_per_s,dG0_difference_kJ_mol,
well_depth_difference_kJ_mol,residence_is_bound,has_barrier,sampling_ns,n_windows,min_overlap,
status,run_id,openmm,halobind,pymbar,site,own_ion,ddG_own_ion_kJ_mol,ddG_own_ion_error_kJ_mol,
dG0_model_error_kJ_mol
"""


def test_names_and_order_stay() -> None:
    assert [column.header for column in COLUMNS] == HEADERS.replace("\n", "").split(",")


def test_every_number_of_a_binding_has_a_column() -> None:
    typed = {f.name: f.type for f in fields(Binding)}
    assert {name for name, kind in typed.items() if kind is Quantity} == set(QUANTITIES)
    assert {name for name, kind in typed.items() if kind is float} == set(FLOATS)
    headers = {column.header for column in COLUMNS}
    assert set(typed) - headers == {"replicas", "flags"}


def test_cells_are_the_unrounded_numbers() -> None:
    record = full_record(row(binding=simple(residence_log10_s=Quantity(-3.0, 0.5))))
    assert record["dG0_kJ_mol"] == -34.24 and record["dG0_error_kcal_mol"] == 1.26 / 4.184
    assert record["residence_time_s"] == 10**-3.0 and record["k_off_per_s"] == 10**3.0
    assert record["temperature_K"] == 300.0 and record["n_windows"] == 14
    assert record["dG0_replica_sem_kJ_mol"] is None


def test_there_is_no_number_where_there_is_no_binding() -> None:
    record = full_record(row())
    texts = {name for name, value in record.items() if value is not None}
    assert texts.isdisjoint({*QUANTITIES, *FLOATS} - {"temperature_K"})
    vast = full_record(row(binding=simple(residence_log10_s=Quantity(400.0, math.nan))))
    assert vast["residence_time_s"] is None and vast["residence_log10_s"] == 400.0
