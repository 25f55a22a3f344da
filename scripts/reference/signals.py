"""Reference values for filters, resampling, spectra and calibrated amplitudes, in float64 by scipy.signal, librosa and
endaq (versions: requirements.txt beside this file).

    signals.py write FOLDER      writes signals.json for the tests (test/fixtures/reference)

Signals are short and made by a linear congruential generator, so that any language can make them again.
"""

import base64
import json
import sys
from pathlib import Path

import endaq
import endaq.calc.psd
import endaq.calc.stats
import librosa
import numpy as np
import pandas as pd
import scipy
import scipy.signal
import scipy.stats

from reference import G, machine, noise, voice


def rounded(values):
    """Float64 in full: what is compared at 1e-9 must be written with 15 digits."""
    return [float(f"{v:.15g}") for v in np.asarray(values).ravel()]


def filters():
    x = noise(300, 11) + 0.4
    cases = []
    for kind, order, cutoff in (("high-pass", 2, 10), ("high-pass", 4, 2), ("low-pass", 5, 180), ("high-pass", 1, 50), ("low-pass", 8, 90)):
        sos = scipy.signal.butter(order, cutoff, kind.replace("-", ""), fs=1000, output="sos")
        settled, _ = scipy.signal.sosfilt(sos, x, zi=scipy.signal.sosfilt_zi(sos) * x[0])
        cases.append(
            {
                "kind": kind,
                "order": order,
                "cutoffHz": cutoff,
                "sampleRateHz": 1000,
                "filtered": rounded(scipy.signal.sosfilt(sos, x)[::7]),
                "settled": rounded(settled[::7]),
            }
        )
    return {"seed": 11, "length": 300, "bias": 0.4, "step": 7, "cases": cases}


def resampling():
    x = noise(400, 12)
    ratios = [(1, 2), (1, 5), (2, 1), (3, 2), (2, 3), (160, 147), (147, 160), (5, 16)]
    return {
        "seed": 12,
        "length": 400,
        "step": 5,
        "rational": [
            {"up": up, "down": down, "count": len(y), "samples": rounded(y[::5])}
            for up, down in ratios
            for y in [scipy.signal.resample_poly(x, up, down)]
        ],
        "decimated": [
            {"factor": q, "count": len(y), "samples": rounded(y[::5])}
            for q in (2, 4, 10)
            for y in [scipy.signal.decimate(x, q, ftype="fir")]
        ],
    }


NAMES = {"rectangular": "boxcar", "hann": "hann", "hamming": "hamming", "blackman-harris": "blackmanharris", "flat-top": "flattop"}


def spectra():
    """Power spectra for every window, Welch with several overlaps, and the corrections of each window."""
    rate, n = 2048, 1536
    x = (noise(n, 13) + 0.7 * np.sin(2 * np.pi * 151.3 * np.arange(n) / rate)).astype(np.float32)
    cases = []
    for ours, theirs in NAMES.items():
        window = scipy.signal.get_window(theirs, 512)
        for overlap in (0, 0.5, 0.75):
            _, density = scipy.signal.welch(x.astype(float), rate, window, 512, int(512 * overlap))
            _, amplitude = scipy.signal.welch(x.astype(float), rate, window, 512, int(512 * overlap), scaling="spectrum")
            cases.append({"window": ours, "overlap": overlap, "density": rounded(density[::16]), "spectrum": rounded(amplitude[::16])})
    gains = {
        ours: {
            "coherentGain": float(np.mean(w)),
            "powerGain": float(np.mean(w**2)),
            "noiseBandwidthBins": float(len(w) * np.sum(w**2) / np.sum(w) ** 2),
        }
        for ours, theirs in NAMES.items()
        for w in [scipy.signal.get_window(theirs, 4096)]
    }
    return {"seed": 13, "length": n, "sampleRateHz": rate, "segment": 512, "step": 16, "cases": cases, "gains": gains}


def averages():
    """Periodograms of half-overlapping segments, averaged in each way; exponential by pandas."""
    rate, n, segment = 1024, 2048, 256
    x = (noise(n, 15) + 0.5 * np.sin(2 * np.pi * 93.7 * np.arange(n) / rate) * np.linspace(0, 2, n)).astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(x.astype(float), segment)[:: segment // 2]
    _, power = scipy.signal.periodogram(pieces, rate, "hann", detrend="constant")
    frame = pd.DataFrame(power * rate / segment)
    # Of fewer spectra than the time constant of eight the exponential average is the plain mean.
    start = frame.iloc[:8].mean()
    exponential = pd.concat([start.to_frame().T, frame.iloc[8:]]).ewm(alpha=1 / 8, adjust=False).mean().iloc[-1]
    return {
        "seed": 15, "length": n, "sampleRateHz": rate, "segment": segment, "step": 4, "spectra": len(frame),
        "power": {"linear": rounded(frame.mean()[::4]), "peak-hold": rounded(frame.max()[::4]), "exponential": rounded(exponential[::4])},
    }


def trend():
    """Least-squares line through a slow signal read at irregular times, in units per hour, by scipy.stats."""
    times = np.cumsum(2 + 20 * (noise(300, 16) + 0.5))
    values = 41.5 + 2.5 * times / 3600 + 3 * noise(300, 17) ** 3
    line = scipy.stats.linregress(times / 3600, values)
    # The newest eighth of the window of 64 minutes: what was read in its last eight pieces.
    piece = 60.0
    newest = np.floor(times / piece) > np.floor(times[-1] / piece) - 8
    rate = scipy.stats.linregress(times[newest] / 3600, values[newest])
    residual = values - line.intercept - line.slope * times / 3600
    return {
        "timesS": rounded(times), "values": rounded(values), "slopePerH": float(line.slope), "ratePerH": float(rate.slope),
        "variance": float(np.mean(residual**2)), "mean": float(np.mean(values)),
    }


def transforms():
    """Bins of numpy's transforms: every power of two that the kernel does, and some lengths of other factors."""
    cases = []
    for n in [2**k for k in range(5, 17)] + [96, 480, 7200, 9600]:
        x = noise(n, 14).astype(np.float32).astype(np.float64)
        real = np.fft.rfft(x)
        bins = sorted({0, 1, 2, 3, 4, 5, 7, 8, n // 8 - 1, n // 8, n // 4 - 1, n // 4, n // 4 + 1, n // 2 - 5, n // 2 - 4, n // 2 - 1, n // 2})
        z = x[: n // 2] + 1j * x[n // 2 :]
        each = sorted({0, 1, 3, 4, n // 8, n // 4 - 1, n // 4, n // 2 - 4, n // 2 - 1})
        inverse = np.fft.ifft(z) * len(z)
        cases.append(
            {
                "length": n,
                "bins": bins,
                "real": [[round(float(v.real), 9), round(float(v.imag), 9)] for v in real[bins]],
                "places": each,
                "complex": [[round(float(v.real), 9), round(float(v.imag), 9)] for v in np.fft.fft(z)[each]],
                "inverse": [[round(float(v.real), 9), round(float(v.imag), 9)] for v in inverse[each]],
            }
        )
    return {"seed": 14, "cases": cases}


def log_mel():
    x = voice(6000, 16000)
    cases = []
    for options in (
        {"transformLength": 512, "hop": 256, "count": 20, "scale": "slaney", "norm": "slaney", "centre": True},
        {"transformLength": 1024, "hop": 300, "count": 30, "scale": "htk", "norm": "none", "lowHz": 50, "highHz": 7600, "centre": False},
    ):
        mel = librosa.feature.melspectrogram(
            y=x.astype(np.float64), sr=16000, n_fft=options["transformLength"], hop_length=options["hop"],
            n_mels=options["count"], fmin=options.get("lowHz", 0), fmax=options.get("highHz"), htk=options["scale"] == "htk",
            norm=None if options["norm"] == "none" else "slaney", center=options["centre"], pad_mode="constant", dtype=np.float64,
        )
        decibels = librosa.power_to_db(mel).T
        cases.append({"options": {"sampleRateHz": 16000, **options}, "frames": decibels.shape[0], "values": [round(float(v), 7) for v in decibels.ravel()[::3]]})
    return {"length": 6000, "step": 3, "samples": base64.b64encode(x.astype("<f4").tobytes()).decode(), "cases": cases}


def by_endaq():
    """RMS, density, and the velocity that endaq integrates from it, of the machine of features.json."""
    rate, n = 12800, 8192
    x = machine(n, rate).astype(np.float64)
    frame = pd.DataFrame({"x": x - x.mean()}, index=np.arange(n) / rate)
    density = endaq.calc.psd.welch(frame, bin_width=rate / n)
    power = density["x"].to_numpy() * rate / n
    velocity = endaq.calc.psd.differentiate(density, n=-1)["x"].to_numpy() * rate / n
    # Bins wholly within 10 to 1000 Hz count whole, the two at the edges by their share.
    hz = density.index.to_numpy()
    width = hz[1]
    share = np.clip((np.minimum(hz + width / 2, 1000) - np.maximum(hz - width / 2, 10)) / width, 0, 1)
    return {
        "rms": float(endaq.calc.stats.rms(frame["x"].to_numpy())),
        "peak": float(endaq.calc.stats.max_abs(frame["x"].to_numpy())),
        "velocityRmsMmPerS": float(np.sqrt(np.nansum(velocity * share)) * G * 1e3),
        "band.100-1000.rms": float(np.sqrt(np.sum(power * np.clip((np.minimum(hz + width / 2, 1000) - np.maximum(hz - width / 2, 100)) / width, 0, 1)))),
    }


def write(folder):
    document = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "endaq": endaq.__version__ if hasattr(endaq, "__version__") else endaq.calc.__version__},
        "filters": filters(),
        "resampling": resampling(),
        "spectra": spectra(),
        "averages": averages(),
        "trend": trend(),
        "transforms": transforms(),
        "logMel": log_mel(),
        "endaq": by_endaq(),
    }
    (Path(folder) / "signals.json").write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    {"write": write}[sys.argv[1]](*sys.argv[2:])
