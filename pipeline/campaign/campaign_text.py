"""The text of a campaign file from its sections, and writing it into a campaign directory."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from halobind.jobs.publish import write_atomic
from halobind.pipeline.campaign.run_directory import campaign_file
from halobind.pipeline.campaign.settings import CampaignError


def campaign_text(sections: Mapping[str, object], file_name: str) -> str:
    """Sections as the TOML text of a campaign file; lists are axes of a grid there too.

    Args:
        sections: the keys and values of each section, by its name.
        file_name: what messages call the file.

    Raises:
        CampaignError: names a value that no campaign file can hold.
    """
    parts: list[str] = []
    for name, section in sections.items():
        if not isinstance(section, Mapping):
            value = _toml_value(section, f"{file_name}: {name}")
            parts.insert(0, f"{_toml_key(name, file_name)} = {value}")
            continue
        lines = [f"[{_toml_key(name, file_name)}]"]
        for key, value in section.items():
            place = f"{file_name}: [{name}] {key}"
            lines.append(f"{_toml_key(key, place)} = {_toml_value(value, place)}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _toml_key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise CampaignError(f"{place}: {key!r} is not the name of a key: give a text")
    return key if key.isidentifier() and key.isascii() else _toml_text(key, place)


def _toml_text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CampaignError(f"{place} = {text!r} is not UTF-8 text") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_value(value: object, place: str) -> str:
    """A value on one line. Raises CampaignError for one that TOML does not have."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return _toml_text(str(value), place)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(item, place) for item in value)}]"
    if isinstance(value, Mapping):
        items = [
            f"{_toml_key(key, place)} = {_toml_value(item, f'{place}.{key}')}"
            for key, item in value.items()
        ]
        return f"{{ {', '.join(items)} }}"
    advice = "leave the key out for its default" if value is None else "give a number or a text"
    raise CampaignError(f"{place} = {value!r} cannot stand in a campaign file: {advice}")


def write_campaign_file(folder: Path, text: str) -> Path:
    """Write campaign.toml into a directory, which is made if need be; returns the file.

    Raises:
        CampaignError: it cannot be written.
    """
    path = campaign_file(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    except OSError as error:
        raise CampaignError(
            f"cannot write {path}: {error.strerror}; name a directory that you can write to"
        ) from None
    return path
