"""The feature vector of one block of vibration in numpy and scipy, as a data scientist would write it with care:
vectorised, float32 transforms, plans and windows made once. Prints the CPU time per block as JSON.

Usage: features.py [BLOCK_SAMPLES] [SECONDS]
"""

import json
import sys
import time

import numpy as np
import scipy
import scipy.fft
import scipy.signal
import scipy.stats

LENGTH = int(sys.argv[1]) if len(sys.argv) > 1 else 16384
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
RATE = 25600.0
SHAFT = 1780 / 60
FAULTS = {"bpfo": 3.5848, "bpfi": 5.4152, "bsf": 2.3567, "ftf": 0.3983}
BANDS = [(10, 100), (100, 1000), (1000, 2500), (2500, 5000), (5000, 10000)]
DIVISIONS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
BIN = RATE / LENGTH
WINDOW = scipy.signal.get_window("hann", LENGTH).astype(np.float32)
ENVELOPE_WINDOW = scipy.signal.get_window("hann", LENGTH // 2).astype(np.float32)
FREQUENCIES = np.arange(LENGTH // 2 + 1) * BIN
SCALE = 2 / (LENGTH**2 * np.mean(WINDOW.astype(np.float64) ** 2))
FADE = np.ones(LENGTH, np.float32)
EDGE = int(LENGTH * 0.01)
RAMP = 0.5 - 0.5 * np.cos(np.pi * (np.arange(EDGE) + 0.5) / EDGE)
FADE[:EDGE] = RAMP
FADE[-EDGE:] = RAMP[::-1]


def good_length(n):
    return scipy.fft.next_fast_len(n)


def squared_envelope(spectrum, start, bins, length):
    band = np.zeros(length, np.complex64)
    band[:bins] = spectrum[start : start + bins]
    z = scipy.fft.ifft(band) * np.float32(2 * length / LENGTH)
    return z.real**2 + z.imag**2


def features(x):
    f = {}
    d = x - x.mean(dtype=np.float64)
    a = np.abs(d)
    rms = np.sqrt(np.mean(d * d))
    peak = a.max()
    f["rms"], f["peak"], f["peakToPeak"] = rms, peak, x.max() - x.min()
    f["crestFactor"] = peak / rms
    f["kurtosis"] = scipy.stats.kurtosis(d, fisher=False)
    f["skewness"] = scipy.stats.skew(d)
    f["shapeFactor"] = rms / a.mean()
    f["impulseFactor"] = peak / a.mean()
    f["clearanceFactor"] = peak / np.sqrt(a).mean() ** 2

    centred = x - x.mean()
    spectrum = scipy.fft.rfft(centred * WINDOW)
    power = (spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2) * SCALE
    band = slice(int(10 / BIN) + 1, int(1000 / BIN))
    omega = 2 * np.pi * FREQUENCIES[band]
    f["velocityRmsMmPerS"] = np.sqrt(np.sum(power[band] / omega**2)) * 9806.65
    f["displacementPeakToPeakUm"] = np.sqrt(np.sum(power[band] / omega**4)) * 2 * np.sqrt(2) * 9.80665e6
    p = power[1:]
    share = p / p.sum()
    hz = FREQUENCIES[1:]
    centroid = np.sum(hz * share)
    f["spectralCentroidHz"] = centroid
    f["spectralSpreadHz"] = np.sqrt(np.sum((hz - centroid) ** 2 * share))
    logs = np.log(np.maximum(share, 1e-300))
    f["spectralEntropy"] = -np.sum(share * logs) / np.log(len(p))
    f["spectralFlatness"] = np.exp(np.mean(logs)) * len(p)
    f["spectralRollOffHz"] = hz[np.searchsorted(np.cumsum(share), 0.85)]
    for low, high in BANDS:
        f[f"band.{low}-{high}.rms"] = np.sqrt(np.sum(power[int(low / BIN) : int(high / BIN)]))
    for order in range(1, 6):
        low, high = int(order * SHAFT * 0.97 / BIN), int(order * SHAFT * 1.03 / BIN) + 1
        k = low + np.argmax(power[low:high])
        f[f"order.{order}x"] = np.sqrt(2 * np.sum(power[k - 2 : k + 3]))

    whole = scipy.fft.rfft(centred * FADE)
    half = LENGTH // 2
    least = int(4 * FAULTS["bpfi"] * SHAFT / BIN)
    best = None
    for division in DIVISIONS:
        bins = half // division
        if division > 1 and (bins < 256 or bins < least):
            break
        length = good_length(bins)
        margin = int(np.ceil(length * 0.02))
        for index in range(division):
            start = max(int(500 / BIN), index * bins)
            width = (index + 1) * bins - start
            if width < bins / 2:
                continue
            e = squared_envelope(whole, start, width, length)[margin:-margin]
            kurtosis = np.mean(e * e) / np.mean(e) ** 2 - 2
            if best is None or kurtosis > best[0]:
                best = (kurtosis, start, width, e)
    f["spectralKurtosisMax"] = best[0]
    f["spectralKurtosisBandHz"] = (best[1] + best[2] / 2) * BIN
    f["envelopeRms"] = np.sqrt(np.mean(best[3]))
    length = good_length(half)
    e = squared_envelope(whole, best[1], best[2], length)
    margin = int(np.ceil(length * 0.02))
    e = e[margin:-margin]
    e = (e / e.mean() - 1) * ENVELOPE_WINDOW[: len(e)]
    depth = np.abs(scipy.fft.rfft(e)) * (4 / len(e))
    envelope_bin = RATE * length / LENGTH / len(e)
    for name, order in FAULTS.items():
        total = 0
        for harmonic in (1, 2, 4) if name == "bsf" else (1, 2, 3):
            bin_ = harmonic * order * SHAFT / envelope_bin
            reach = max(1.5, bin_ * 0.02)
            low, high = int(np.ceil(bin_ - reach)), int(bin_ + reach)
            wide = max(12, int(bin_ * 0.1))
            floor = np.median(depth[max(1, low - wide) : high + wide + 1])
            total += depth[low : high + 1].max() / max(floor, 1e-3)
        f[name] = total
    return f


if __name__ == "__main__":
    random = np.random.default_rng(1)
    block = (np.sin(np.arange(LENGTH) * 0.03) + random.standard_normal(LENGTH) * 0.3).astype(np.float32)
    for _ in range(20):
        vector = features(block)
    runs = 0
    end = time.perf_counter() + SECONDS
    start = time.process_time()
    while time.perf_counter() < end:
        vector = features(block)
        runs += 1
    us = (time.process_time() - start) / runs * 1e6
    print(
        json.dumps(
            {
                "block": LENGTH,
                "features": len(vector),
                "us": round(us, 1),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
            }
        )
    )
