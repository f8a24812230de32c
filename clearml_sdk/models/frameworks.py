"""The frameworks that models are recorded under, and the guess by a file's extension."""

from __future__ import annotations

import os


class Framework:
    """Names of frameworks as they are recorded."""

    tensorflow = "TensorFlow"
    tensorflowjs = "TensorFlow_js"
    tensorflowlite = "TensorFlow_Lite"
    pytorch = "PyTorch"
    torchscript = "TorchScript"
    caffe = "Caffe"
    caffe2 = "Caffe2"
    onnx = "ONNX"
    keras = "Keras"
    mknet = "MXNet"
    cntk = "CNTK"
    torch = "Torch"
    darknet = "Darknet"
    paddlepaddle = "PaddlePaddle"
    scikitlearn = "ScikitLearn"
    xgboost = "XGBoost"
    lightgbm = "LightGBM"
    parquet = "Parquet"
    megengine = "MegEngine"
    catboost = "CatBoost"
    tensorrt = "TensorRT"
    openvino = "OpenVINO"

    @classmethod
    def get_framework_parents(cls, framework: str) -> list[str]:
        """The frameworks that `framework` is a variant of."""
        return {
            cls.tensorflowjs: [cls.tensorflow],
            cls.tensorflowlite: [cls.tensorflow],
            cls.torchscript: [cls.pytorch],
            cls.keras: [cls.tensorflow],
        }.get(framework, [])


_BY_EXTENSION = {
    ".bst": Framework.xgboost,
    ".caffemodel": Framework.caffe,
    ".cbm": Framework.catboost,
    ".ckpt": Framework.pytorch,
    ".engine": Framework.tensorrt,
    ".h5": Framework.keras,
    ".hdf5": Framework.keras,
    ".joblib": Framework.scikitlearn,
    ".keras": Framework.keras,
    ".lgb": Framework.lightgbm,
    ".mge": Framework.megengine,
    ".onnx": Framework.onnx,
    ".parquet": Framework.parquet,
    ".pb": Framework.tensorflow,
    ".pdparams": Framework.paddlepaddle,
    ".plan": Framework.tensorrt,
    ".pt": Framework.pytorch,
    ".pth": Framework.pytorch,
    ".sav": Framework.scikitlearn,
    ".t7": Framework.torch,
    ".tflite": Framework.tensorflowlite,
    ".weights": Framework.darknet,
    ".xgb": Framework.xgboost,
}


def guess_framework(file: str) -> str | None:
    """The framework that usually writes such a file; None when its extension says nothing."""
    return _BY_EXTENSION.get(os.path.splitext(file)[1].lower())
