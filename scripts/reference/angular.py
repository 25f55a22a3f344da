"""Reference for angular resampling, in float64 by scipy: writes test/fixtures/reference/angular.json.

    angular.py FOLDER

A shaft that speeds up from 8 to 12 Hz with a pulse a turn, and a signal locked to its angle.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import scipy.interpolate

RATE_HZ = 1000.0
SAMPLES_PER_TURN = 64
random = np.random.default_rng(4)
t = np.arange(600) / RATE_HZ
turns = 8 * t + 0.5 * (4 / 0.6) * t**2
x = (np.sin(2 * np.pi * 5 * turns) + 0.3 * np.cos(2 * np.pi * 11 * turns) + 0.05 * random.standard_normal(t.size)).astype(
    np.float32
)
pulses = np.interp(np.arange(0, np.floor(turns[-1]) + 1), turns, t)
# Between pulses the speed is taken as constant.
grid = np.arange(0, int(np.floor(turns[-1])) * SAMPLES_PER_TURN) / SAMPLES_PER_TURN
times = np.interp(grid, np.arange(pulses.size), pulses)
spline = scipy.interpolate.CubicSpline(t * RATE_HZ, x.astype(np.float64), bc_type="natural")
y = spline(times * RATE_HZ)
order = np.abs(np.fft.rfft(y * np.hanning(y.size + 1)[:-1])) * 2 / (y.size / 2)
turns_in_y = y.size // SAMPLES_PER_TURN
turn = y.reshape(turns_in_y, SAMPLES_PER_TURN).mean(axis=0)


def b64(values, kind):
    return base64.b64encode(np.asarray(values, dtype=kind).tobytes()).decode()


Path(sys.argv[1], "angular.json").write_text(
    json.dumps(
        {
            "sampleRateHz": RATE_HZ,
            "samplesPerTurn": SAMPLES_PER_TURN,
            "samples": b64(x, "<f4"),
            "pulsesS": b64(pulses, "<f8"),
            "resampled": b64(y, "<f8"),
            "averageTurn": b64(turn, "<f8"),
            "orderAmplitude5": float(order[5 * turns_in_y]),
            "scipy": scipy.__version__,
        }
    )
    + "\n"
)
