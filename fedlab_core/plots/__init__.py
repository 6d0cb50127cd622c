"""Rounds, masks and data as plotly figures, the same in notebooks and dashboard.

Every figure is a pure function that returns a `plotly.graph_objects.Figure`: its title is a sentence computed from the
data, its background is transparent, `dark=True` chooses the colours for a dark one, and without data it says what to do
next. Figures over rounds take rows: `rows(records)`, or what the run store gives back.
"""

from fedlab_core.plots.answers import confusion_heatmap, error_by_age
from fedlab_core.plots.cells import cell_heatmap
from fedlab_core.plots.channels import channel_bars
from fedlab_core.plots.choices import Choice, budget_map, paired_runs
from fedlab_core.plots.clients import client_bars, participation_heatmap
from fedlab_core.plots.compare import accuracy_against, schedule_curve
from fedlab_core.plots.costs import encoding_bars, encoding_sweep, flops_bars, latency_bars, target_bars
from fedlab_core.plots.curves import accuracy_curve, bytes_ledger, loss_curve, sparsity_curve
from fedlab_core.plots.data import client_images, image_grid, label_heatmap, size_bars
from fedlab_core.plots.design import density_bars, feasible_region, planned_bytes, planned_flops, planned_sparsity
from fedlab_core.plots.drift import drift_grid, drift_scatter, update_map
from fedlab_core.plots.filters import filter_pictures
from fedlab_core.plots.gates import device_channels_heatmap, open_frequency_heatmap, used_weights_heatmap
from fedlab_core.plots.layers import kept_changes_bars, layer_density_heatmap, overlap_heatmap
from fedlab_core.plots.masks import mask_map
from fedlab_core.plots.network import network_picture
from fedlab_core.plots.overlay import overlay
from fedlab_core.plots.pareto import Setting, trade_off
from fedlab_core.plots.privacy import attack_against_sparsity, attack_roc
from fedlab_core.plots.pruning import accuracy_against_density, mask_row, pruned_network
from fedlab_core.plots.quadratics import Walker, settling_curve, walk_picture
from fedlab_core.plots.records import rows
from fedlab_core.plots.roc import roc_beside_gap
from fedlab_core.plots.rounds import round_picture
from fedlab_core.plots.savings import Saving, three_costs
from fedlab_core.plots.seeds import seed_dots
from fedlab_core.plots.style import format_bytes, format_flops, format_percent, format_points
from fedlab_core.plots.subnetworks import gate_curves, share_curve, subnetworks
from fedlab_core.plots.theatre import scene_picture
from fedlab_core.plots.turnover import turnover_bars
from fedlab_core.plots.votes import vote_bars

__all__ = [
    "Choice",
    "Saving",
    "Setting",
    "Walker",
    "accuracy_against",
    "accuracy_against_density",
    "accuracy_curve",
    "attack_against_sparsity",
    "attack_roc",
    "budget_map",
    "bytes_ledger",
    "cell_heatmap",
    "channel_bars",
    "client_bars",
    "client_images",
    "confusion_heatmap",
    "density_bars",
    "device_channels_heatmap",
    "drift_grid",
    "drift_scatter",
    "encoding_bars",
    "encoding_sweep",
    "error_by_age",
    "feasible_region",
    "filter_pictures",
    "flops_bars",
    "format_bytes",
    "format_flops",
    "format_percent",
    "format_points",
    "gate_curves",
    "image_grid",
    "kept_changes_bars",
    "label_heatmap",
    "latency_bars",
    "layer_density_heatmap",
    "loss_curve",
    "mask_map",
    "mask_row",
    "network_picture",
    "open_frequency_heatmap",
    "overlap_heatmap",
    "overlay",
    "paired_runs",
    "participation_heatmap",
    "planned_bytes",
    "planned_flops",
    "planned_sparsity",
    "pruned_network",
    "roc_beside_gap",
    "round_picture",
    "rows",
    "scene_picture",
    "schedule_curve",
    "seed_dots",
    "settling_curve",
    "share_curve",
    "size_bars",
    "sparsity_curve",
    "subnetworks",
    "target_bars",
    "three_costs",
    "trade_off",
    "turnover_bars",
    "update_map",
    "used_weights_heatmap",
    "vote_bars",
    "walk_picture",
]
