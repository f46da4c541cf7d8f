"""Every setting is in the template, with its default."""

import re
import tomllib

from halobind.pipeline.campaign.model_settings import ModelSection
from halobind.pipeline.campaign.settings import SHARED_SECTIONS, Campaign, RunSpec
from halobind.pipeline.commands.new import TEMPLATES

CHOSEN = {
    ("coordinate", "radius_nm"): 0.3,
    ("sampling", "method"): "alchemical",
    ("sampling", "replicas"): 4,
    ("sampling", "segments"): 10,
    ("sampling", "segment_ps"): 20.0,
    ("sampling", "record_ps"): 0.4,
    ("sampling", "exchange_group"): 1000,
}
"""What new campaigns have and older ones that leave it out have not."""


def test_the_template_names_every_key_and_writes_out_defaults() -> None:
    text = (TEMPLATES / "standard.toml").read_text(encoding="utf-8")
    everything = tomllib.loads(re.sub(r"(?m)^# (?=\[|[\w.]+ = )", "", text))
    sections = {
        name: field.default
        for name, field in RunSpec.model_fields.items()
        if name not in ("model", "ligands", "replica")
    }
    sections |= {name: Campaign.model_fields[name].annotation() for name in SHARED_SECTIONS}
    assert set(everything) == {"model", *sections}
    assert set(everything["model"]) == set(ModelSection.model_fields)
    for name, section in sections.items():
        assert set(everything[name]) == set(type(section).model_fields), name
    written = tomllib.loads(text)
    for (name, key), value in CHOSEN.items():
        assert written[name].pop(key) == value, (name, key)
    for name in set(written) - {"model"}:
        defaults = {key: getattr(sections[name], key) for key in written[name]}
        assert {key: as_tuple(value) for key, value in written[name].items()} == defaults, name


def as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
