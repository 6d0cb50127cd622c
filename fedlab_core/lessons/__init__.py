"""What the notebooks are made of: checks, tables of health and progress, links; `widgets` has the figures with sliders.

Importing it sets torch to one thread. The models of the course are so small that more threads only wait for each other,
and the number of threads is part of what decides the last bits of a result: so they are the same on every laptop.
"""

import torch

from fedlab_core.lessons.checks import check
from fedlab_core.lessons.links import dashboard_link
from fedlab_core.lessons.machine import health
from fedlab_core.lessons.standing import my_progress

__all__ = ["check", "dashboard_link", "health", "my_progress"]

torch.set_num_threads(1)
