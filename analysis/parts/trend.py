"""The trend of a noisy curve, which starts and ends where the curve does."""

import numpy as np


def trend(values: np.ndarray, reach: int) -> np.ndarray:
    """Centred mean of `values` (points, ...) over `reach` points on either side, NaN left out.

    The window shrinks towards both ends, to the point itself: no value from later moves a start, and no end is made of
    one side only. NaN where a window holds nothing else. `curves.js` does the same in a page.
    """
    count = len(values)
    smooth = np.full(values.shape, np.nan)
    for place in range(count):
        half = min(reach, place, count - 1 - place)
        window = values[place - half : place + half + 1]
        known = ~np.isnan(window)
        total = np.where(known, window, 0.0).sum(axis=0)
        smooth[place] = np.divide(
            total, known.sum(axis=0), out=np.full(np.shape(total), np.nan), where=known.any(axis=0)
        )
    return smooth
