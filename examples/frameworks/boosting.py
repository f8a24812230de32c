"""XGBoost: the metrics of a training are curves, a saved booster is a model."""

import numpy as np
import xgboost
from clearml import Task

Task.init(project_name="examples", task_name="boosting")
random = np.random.default_rng(7)
features = random.random((200, 3))
data = xgboost.DMatrix(features, (features.sum(axis=1) > 1.5).astype(int))
settings = {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"]}
booster = xgboost.train(settings, data, 5, evals=[(data, "train")])
booster.save_model("booster.json")
