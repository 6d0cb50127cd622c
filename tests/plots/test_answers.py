import numpy as np
import pytest

from fedlab_core.metrics import MAE
from fedlab_core.plots import confusion_heatmap, error_by_age
from fedlab_core.plots.clients import worst_clients


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_the_most_frequent_mistake_is_named() -> None:
    figure = confusion_heatmap([[8, 2, 0], [0, 5, 0], [0, 3, 7]], ["cat", "dog", "owl"], who="Client 3")
    assert title(figure) == (
        "Client 3: 20 of 25 test examples are classed rightly; most often owl is taken for dog: 3 times, 30 % of that "
        "label"
    )
    heat = figure.data[0]
    assert np.array(heat.z)[2].tolist() == [0, 0.3, 0.7]
    assert np.array(heat.text)[0].tolist() == ["8", "2", ""]
    assert (heat.zmin, heat.zmax) == (0, 1)
    assert title(confusion_heatmap([[2, 0], [0, 0]], "ab")) == "All clients: 2 of 2 test examples are classed rightly"
    assert confusion_heatmap(np.eye(20), [str(c) for c in range(20)]).data[0].text is None
    with pytest.raises(ValueError, match=r"counts_CC has shape \(1, 2\); allowed is \(2, 2\)"):
        confusion_heatmap([[1, 2]], ["cat", "dog"])


def test_errors_have_a_direction_on_each_side_of_the_median_age() -> None:
    figure = error_by_age([20, 30, 50, 60], [26, 32, 49, 57], who="Client 1")
    assert figure.data[0].y.tolist() == [6, 2, -1, -3]
    assert title(figure) == (
        "Client 1: guesses are off by 3.00 years on average; below 40 years they are 4.0 years too old, from there on "
        "2.0 years too young"
    )
    assert title(error_by_age([40], [41])) == "All clients: guesses are off by 1.00 years on average"


def test_the_worst_tenth_is_at_least_one_and_never_untested() -> None:
    assert worst_clients([0.9, float("nan"), 0.2]) == [2]
    assert worst_clients([0.9, 0.2, 0.5], MAE) == [0]
    assert worst_clients([i / 20 for i in range(20)]) == [0, 1]
    assert worst_clients([float("nan")]) == []
