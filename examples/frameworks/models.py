"""scikit-learn: a model dumped by joblib is an output model of the task."""

import joblib
from clearml import Task
from sklearn.linear_model import LogisticRegression

Task.init(project_name="examples", task_name="models", output_uri=True)
model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
joblib.dump(model, "classifier.pkl", compress=True)
print(model.predict([[2.5]]))
