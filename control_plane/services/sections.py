"""The sections of a task: how a request's sections are checked, cleaned and laid over what is stored. Pure.

Source: contract/wire.md, section 8.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from control_plane.services.errors import bad_value, data_validation, validation

MIN_NAME = 3
EMPTY_SCRIPT = {"binary": "python", "repository": "", "entry_point": "", "requirements": {}}
EMPTY_EXECUTION: dict[str, Any] = {"parameters": {}, "artifacts": [], "model_labels": {}, "model_desc": {}}
_UNSTRIPPED = "diff"


def clean_name(name: str) -> str:
    """A name without the blanks around it; raise 400/800 when too little is left."""
    name = name.strip()
    if len(name) < MIN_NAME:
        raise data_validation(name="String value is too short")
    return name


def clean_tags(tags: Any, field: str = "tags") -> list[str]:
    """Tags as they are; the prefix of the query operators is refused, as such a tag could never be asked for."""
    if not isinstance(tags, (list, tuple)):
        raise data_validation(**{field: "Only lists and tuples may be used in a list field"})
    tags = list(tags)
    reserved = [tag for tag in tags if not isinstance(tag, str) or tag.startswith("__$")]
    if reserved:
        raise bad_value("unsupported tag prefix", values=reserved)
    return list(dict.fromkeys(tags))


def as_mapping(field: str, value: Any) -> dict[str, Any]:
    """A section that must be an object; an empty list is read as an empty object, as official servers do."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)) and not value:
        return {}
    raise bad_value(f"an object was expected, not {type(value).__name__}", field=field)


def as_list(field: str, value: Any) -> list[Any]:
    """A section that must be a list, or an object of what is in it."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    raise bad_value(f"a list was expected, not {type(value).__name__}", field=field)


def runtime(value: Any) -> dict[str, Any]:
    """A runtime section: any JSON under any name."""
    return as_mapping("runtime", value)


def input_section(value: Any) -> dict[str, Any]:
    """What data a task works on, as hyper-dataset tasks say it: kept as it is."""
    return as_mapping("input", value)


def script(value: Any) -> dict[str, Any]:
    """A script section: texts without the blanks around them, but for the diff."""
    section = as_mapping("script", value)
    for name, text in section.items():
        if isinstance(text, str) and name != _UNSTRIPPED:
            section[name] = text.strip()
    if section.get("requirements") is None:
        section.pop("requirements", None)
    return section


def hyperparams(value: Any) -> dict[str, dict[str, Any]]:
    """Sections of hyperparameters: values are text, each item says its section and name."""
    cleaned: dict[str, dict[str, Any]] = {}
    for section, items in as_mapping("hyperparams", value).items():
        target = cleaned.setdefault(section_name(section), {})
        for name, item in as_mapping(f"hyperparams.{section}", items).items():
            target[name] = param(section_name(section), name, item)
    return cleaned


def section_name(name: str) -> str:
    """The section of user properties is stored in lower case, however it is written."""
    return name.lower() if name.strip().lower() == "properties" else name


def param(section: str, name: str, item: Any) -> dict[str, Any]:
    """One hyperparameter as it is stored."""
    fields = as_mapping(f"hyperparams.{section}.{name}", item)
    for field in ("value", "type", "description"):
        text = fields.get(field)
        if text is not None and not isinstance(text, str):
            raise data_validation(hyperparams=f"{section}/{name}: {field} must be text, got {type(text).__name__}")
    kept = {key: text for key, text in fields.items() if text is not None}
    return {**kept, "section": section, "name": name}


def configuration(value: Any) -> dict[str, dict[str, Any]]:
    """Configuration texts by name."""
    cleaned: dict[str, dict[str, Any]] = {}
    for name, item in as_mapping("configuration", value).items():
        fields = as_mapping(f"configuration.{name}", item)
        for field in ("value", "type", "description"):
            text = fields.get(field)
            if text is not None and not isinstance(text, str):
                raise data_validation(configuration=f"{name}: {field} must be text, got {type(text).__name__}")
        cleaned[name] = {**{key: text for key, text in fields.items() if text is not None}, "name": name}
    return cleaned


def container(value: Any) -> dict[str, Any]:
    """Image, arguments and setup script; None values are dropped."""
    return {name: text for name, text in as_mapping("container", value).items() if text is not None}


def execution(value: Any) -> dict[str, Any]:
    """An execution section; artifacts may come as a list or as an object of them."""
    section = {name: item for name, item in as_mapping("execution", value).items() if item is not None}
    if "artifacts" in section:
        items = as_list("execution.artifacts", section["artifacts"])
        section["artifacts"] = sorted_artifacts([artifact(item) for item in items])
    return section


def artifact(item: Any) -> dict[str, Any]:
    """One artifact as it is stored: always with its mode; raise 400/800 when key or type is missing."""
    fields = {name: value for name, value in as_mapping("execution.artifacts", item).items() if value is not None}
    for name in ("key", "type"):
        if not isinstance(fields.get(name), str):
            raise data_validation(execution=f"an artifact has no {name}")
    mode = fields.get("mode", "output")
    if mode not in ("input", "output"):
        raise data_validation(execution=f"artifact {fields['key']}: mode is input or output, not {mode!r}")
    return {**fields, "mode": mode, "display_data": fields.get("display_data") or []}


def sorted_artifacts(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One artifact a key and mode, the last one given; in the order they came."""
    return list({(item["key"], item["mode"]): item for item in items}.values())


def upsert_artifacts(stored: list[dict[str, Any]], given: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stored artifacts with the given ones added, or put in the place of those of the same key and mode."""
    return sorted_artifacts([*stored, *given])


def models(value: Any, now_iso: str) -> dict[str, list[dict[str, Any]]]:
    """The lists of models that are given, input or output or both."""
    section: dict[str, list[dict[str, Any]]] = {}
    for kind, items in as_mapping("models", value).items():
        if kind not in ("input", "output") or items is None:
            continue
        section[kind] = [model_item(item, now_iso) for item in as_list(f"models.{kind}", items)]
    return section


def model_item(item: Any, now_iso: str) -> dict[str, Any]:
    """One attached model: its name in the task, its id, and when it was attached."""
    fields = as_mapping("models", item)
    if not isinstance(fields.get("name"), str) or not isinstance(fields.get("model"), str):
        raise validation("error for field 'models': an item needs name and model")
    return {"name": fields["name"], "model": fields["model"], "updated": fields.get("updated") or now_iso}


def upsert_model(stored: list[dict[str, Any]], item: dict[str, Any]) -> list[dict[str, Any]]:
    """The stored list with the item added, or put in the place of the one of the same name."""
    if any(other["name"] == item["name"] for other in stored):
        return [item if other["name"] == item["name"] else other for other in stored]
    return [*stored, item]
