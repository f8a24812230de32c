"""matplotlib: a figure that is shown becomes a plot of the task."""

import matplotlib.pyplot as plt
from clearml import Task

Task.init(project_name="examples", task_name="figures")
plt.plot([1, 2, 3, 4], [1, 4, 9, 16], label="squares")
plt.title("numbers")
plt.legend()
plt.show()
plt.close("all")
plt.scatter([1, 2, 3], [3, 1, 2])
plt.title("points")
plt.savefig("points.png")
