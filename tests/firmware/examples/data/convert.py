"""Turns the recordings of a smart watch into the two tables beside this file.

usage: convert.py watch_dataset.npy   (needs numpy)

Each recording is cut into windows of 4 s (200 samples), what is left over is dropped. A window becomes the mean and
the standard deviation of each of its six channels, in thousandths of their units (g, rad/s), as integers.
"""

import sys
from pathlib import Path

import numpy as np

WINDOW = 200
WEARERS = (8, 9, 10)  # the last three of the ten; the others are those that the classifier is trained on

data = np.load(sys.argv[1], allow_pickle=True).item()
channels = data["X_labels"]
features = [f"{moment}_{name}" for moment in ("mean", "std") for name in channels]
others = [",".join([*features, "class"])]
wearers = [",".join(["wearer", "window", *features, "class"])]
for recording, exercise, wearer in zip(data["X"], data["y"], data["subject"]):
    for window in range(len(recording) // WINDOW):
        samples = np.asarray(recording[window * WINDOW : (window + 1) * WINDOW], dtype=np.float64)
        values = np.rint(1000 * np.concatenate([samples.mean(axis=0), samples.std(axis=0)])).astype(int)
        if wearer in WEARERS:
            wearers.append(",".join(map(str, [wearer, window, *values, exercise])))
        else:
            others.append(",".join(map(str, [*values, exercise])))
for name, lines in (("others.csv", others), ("wearers.csv", wearers)):
    Path(__file__).with_name(name).write_text("\n".join(lines) + "\n")
