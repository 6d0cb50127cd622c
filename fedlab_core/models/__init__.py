"""Models by name, as architectures without weights: parameters are plain dictionaries that travel."""

from fedlab_core.models.base import (
    InputDropout,
    batch_norm,
    build_model,
    init_params,
    model_names,
    noise_shapes,
    persistent_buffers,
    register_model,
)

__all__ = [
    "InputDropout",
    "batch_norm",
    "build_model",
    "init_params",
    "model_names",
    "noise_shapes",
    "persistent_buffers",
    "register_model",
]
