"""What the notebooks are made of: checks, the health table, links; `widgets` has the figures with sliders.

Importing it sets torch to one thread. The models of the course are so small that more threads only wait for each other,
and the number of threads is part of what decides the last bits of a result: so they are the same on every laptop.
"""

import torch

from fedlab_core.lessons.checks import check
from fedlab_core.lessons.links import dashboard_link
from fedlab_core.lessons.machine import health

__all__ = ["check", "dashboard_link", "health"]

torch.set_num_threads(1)
