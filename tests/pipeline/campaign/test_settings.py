"""Every setting is in the template, with its default."""

import re
import tomllib

from halobind.pipeline.campaign.model_settings import ModelSection
from halobind.pipeline.campaign.settings import SHARED_SECTIONS, Campaign, RunSpec
from halobind.pipeline.commands.new import TEMPLATES


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
    assert written["sampling"].pop("replicas") == 4
    for name in set(written) - {"model"}:
        assert written[name] == {key: getattr(sections[name], key) for key in written[name]}, name
