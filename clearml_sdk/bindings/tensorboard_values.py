"""What a TensorBoard event holds, decoded from either generation of its format. Pure.

Old events have a field for each kind of value; new ones have a tensor, and a plugin's name that says what it means.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 9: "int64", 10: "bool", 19: "float16"}
"""numpy's names of the tensor types that numbers come in."""
_FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 4: "int_val", 9: "int64_val", 10: "bool_val"}
_TEXT = 7


def kind_of(value: Any) -> str:
    """What a value of a summary is: "scalar", "image", "histogram", "audio", "text", "pr_curve", "hparams" or ""."""
    field = value.WhichOneof("value")
    plugin = value.metadata.plugin_data.plugin_name
    if plugin == "hparams":
        return "hparams"
    if field == "simple_value":
        return "scalar"
    if field in ("image", "audio"):
        return str(field)
    if field == "histo":
        return "histogram"
    named = {
        "scalars": "scalar",
        "images": "image",
        "histograms": "histogram",
        "audio": "audio",
        "text": "text",
        "pr_curves": "pr_curve",
    }
    return named.get(plugin, "") if field == "tensor" else ""


def number(value: Any) -> float:
    """A scalar."""
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    return float(numbers(value.tensor).reshape(-1)[0])


def pictures(value: Any) -> list[bytes]:
    """Encoded images, such as PNG; several of a batch."""
    if value.WhichOneof("value") == "image":
        return [value.image.encoded_image_string]
    return texts(value.tensor)[2:]  # width and height come first


def sounds(value: Any) -> list[bytes]:
    """Encoded sounds, such as WAV."""
    if value.WhichOneof("value") == "audio":
        return [value.audio.encoded_audio_string]
    dimensions = [one.size for one in value.tensor.tensor_shape.dim]
    found = texts(value.tensor)
    return found[::2] if len(dimensions) == 2 and dimensions[1] == 2 else found  # (sound, label) pairs


def histogram(value: Any) -> list[tuple[float, float, float]]:
    """(left, right, count) of each bucket that has a width."""
    if value.WhichOneof("value") == "tensor":
        rows = numbers(value.tensor).reshape(-1, 3)
        return [(float(left), float(right), float(count)) for left, right, count in rows]
    found, left = [], float(value.histo.min)
    for limit, count in zip(value.histo.bucket_limit, value.histo.bucket, strict=False):
        right = min(float(limit), float(value.histo.max)) if count else float(limit)
        if right > left:
            found.append((left, right, float(count)))
            left = right
        elif count:
            found.append((left, left, float(count)))
    return found


def pr_curve(value: Any) -> tuple[list[float], list[float]]:
    """(precision, recall) at rising thresholds."""
    rows = numbers(value.tensor).reshape(6, -1)
    return [float(one) for one in rows[4]], [float(one) for one in rows[5]]


def texts(tensor: Any) -> list[bytes]:
    """The strings of a tensor."""
    return list(tensor.string_val) if tensor.dtype == _TEXT else []


def numbers(tensor: Any) -> Any:
    """The numbers of a tensor as a numpy array. Raises KeyError for a type that holds none."""
    import numpy as np

    kind = _TYPES[tensor.dtype]
    shape = [one.size for one in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype=kind).reshape(shape)
    found = np.array(list(getattr(tensor, _FIELDS[tensor.dtype])), dtype=kind)
    size = int(np.prod(shape)) if shape else 1
    return (np.full(size, found[0]) if len(found) == 1 and size > 1 else found).reshape(shape)


def hparams(value: Any, event: Any) -> dict[str, Any]:
    """The hyperparameters of a session, when that is what the value is about; the writer's own classes decode it."""
    is_x = type(event).__module__.startswith("tensorboardX")
    name = "tensorboardX.proto.plugin_hparams_pb2" if is_x else "tensorboard.plugins.hparams.plugin_data_pb2"
    schema = import_module(name)
    data = schema.HParamsPluginData.FromString(value.metadata.plugin_data.content)
    found = {}
    for key, item in data.session_start_info.hparams.items():
        kind = item.WhichOneof("kind")
        found[str(key)] = getattr(item, kind) if kind else None
    return found
