"""Axes of costs: few runs may cost nearly the same, many span decades; the labels stay apart in both."""

import matplotlib.pyplot as plt
import pytest

from analysis.items import cost
from analysis.parts.style import canvas


@pytest.mark.parametrize("costs", [(280, 610), (280, 281), (90, 650), (1, 2000), (0.02, 0.09)])
def test_the_labels_of_an_axis_stay_apart(costs):
    picture, ((where, *_),) = canvas(1, 3, 3.3)
    where.plot(costs, (1, 2))
    where.set_xscale("log")
    cost._set_ticks(where)
    picture.draw_without_rendering()
    low, high = where.get_xlim()
    labels = [tick.label1 for tick in where.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = sorted((label.get_window_extent() for label in labels if label.get_text()), key=lambda box: box.x0)
    assert len(boxes) > 1
    assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))
    plt.close(picture)
