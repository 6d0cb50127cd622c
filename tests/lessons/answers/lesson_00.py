"""Answers to the exercises of notebook 00."""

import numpy as np
import torch

from . import right, wrong

# 00.1 first_accuracy ------------------------------------------------------------------------------------------------

right("00.1")(lambda num_classes: 1 / num_classes)
right("00.1")(lambda num_classes: float(np.mean(np.arange(num_classes) == 0)))
right("00.1")(lambda num_classes: torch.tensor(1.0) / num_classes)

wrong("00.1", "knows nothing, so 0", "with more classes", "coin")(lambda num_classes: 0.0)
wrong("00.1", "always one half", "with more classes", "die")(lambda num_classes: 0.5)
wrong("00.1", "always one tenth", "with more classes", "coin")(lambda num_classes: 0.1)
wrong("00.1", "in percent", "fraction between", "quarter")(lambda num_classes: 100 / num_classes)
wrong("00.1", "chance of being wrong", "with more classes", "coin")(lambda num_classes: 1 - 1 / num_classes)
wrong("00.1", "one class too many", "blind guess", "1 / num_classes")(lambda num_classes: 1 / (num_classes + 1))
wrong("00.1", "text", "fraction between", "quarter")(lambda num_classes: f"1/{num_classes}")
