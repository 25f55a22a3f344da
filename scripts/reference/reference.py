"""Reference values for the signal core, in float64 by numpy, scipy and librosa (versions: ../test-requirements.txt).

    reference.py write FOLDER         writes the vectors that the tests hold the core to (test/fixtures/reference)
    reference.py features FILE.wav SPEC.json   prints the features of one recording, for a comparison on real signals

The definitions are those of docs/features.md; nothing here is taken from the TypeScript code. What scipy and librosa
have is taken from them: moments, Welch's spectrum, filters, Hilbert transform, mel filters, MFCC, A weighting.
"""

import base64
import json
import sys
from pathlib import Path

import librosa
import numpy as np
import scipy
import scipy.io.wavfile
import scipy.signal
import scipy.stats

G = 9.80665
DIVISIONS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]


def is_fft_length(n, step):
    if n < step or n % step:
        return False
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1


def length_at_most(n, step=32):
    n -= n % step
    while not is_fft_length(n, step):
        n -= step
    return n


def length_at_least(n, step):
    n = -(-n // step) * step
    while not is_fft_length(n, step):
        n += step
    return n


def statistics(x):
    d = x - x.mean()
    rms, absolute, peak = np.sqrt(np.mean(d**2)), np.abs(d), np.abs(d).max()
    return {
        "rms": rms,
        "peak": peak,
        "peakToPeak": np.ptp(x),
        "crestFactor": peak / rms,
        "kurtosis": scipy.stats.kurtosis(x, fisher=False),
        "skewness": scipy.stats.skew(x),
        "shapeFactor": rms / absolute.mean(),
        "impulseFactor": peak / absolute.mean(),
        "clearanceFactor": peak / np.sqrt(absolute).mean() ** 2,
    }


def welch_power(x, rate, length, detrend="constant"):
    """Mean square per bin."""
    start = (len(x) - length) // 2 if len(x) - length < length // 2 else 0
    hz, density = scipy.signal.welch(
        x[start:], rate, "hann", length, length // 2, detrend=detrend, scaling="density"
    )
    return hz, density * rate / length


def band_mean_square(hz, power, low, high, exponent=0):
    """A bin counts by the share of its width within the band."""
    width = hz[1]
    share = np.minimum(hz + width / 2, high) - np.maximum(hz - width / 2, low)
    share = np.clip(share / width, 0, 1)
    share[0] = 0
    omega = np.where(hz > 0, 2 * np.pi * hz, 1)
    return np.sum(power * share * omega ** (2.0 * exponent))


def shape(hz, power):
    hz, power = hz[1:], power[1:]
    p = power / power.sum()
    centroid = np.sum(hz * p)
    return {
        "spectralCentroidHz": centroid,
        "spectralSpreadHz": np.sqrt(np.sum((hz - centroid) ** 2 * p)),
        "spectralEntropy": scipy.stats.entropy(p) / np.log(len(p)),
        "spectralFlatness": scipy.stats.gmean(power) / power.mean(),
        "spectralRollOffHz": hz[np.searchsorted(np.cumsum(p), 0.85)],
    }


def line(hz, power, centre, reach):
    width = hz[1]
    low, high = int(np.ceil((centre - reach) / width)), int(np.floor((centre + reach) / width))
    k = low + int(np.argmax(power[low : high + 1]))
    return np.sqrt(2 * power[max(1, k - 2) : k + 3].sum())


def faded(x):
    d = x - x.mean()
    edge = int(len(x) * 0.01)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    d[:edge] *= ramp
    d[len(x) - edge :] *= ramp[::-1]
    return d


def envelope(spectrum, n, start, bins, length):
    """Squared magnitude of the analytic signal of one band, decimated to `length` samples."""
    band = np.zeros(length, complex)
    band[:bins] = spectrum[start : start + bins]
    return np.abs(np.fft.ifft(band) * length * 2 / n) ** 2


def orders(bearing):
    ratio = bearing["ballDiameterMm"] / bearing["pitchDiameterMm"] * np.cos(np.radians(bearing["contactAngleDeg"]))
    balls = bearing["balls"]
    return {
        "bpfo": balls / 2 * (1 - ratio),
        "bpfi": balls / 2 * (1 + ratio),
        "bsf": bearing["pitchDiameterMm"] / (2 * bearing["ballDiameterMm"]) * (1 - ratio**2),
        "ftf": (1 - ratio) / 2,
    }


def envelope_features(x, spec):
    rate, n = spec["sampleRateHz"], length_at_most(len(x))
    start = (len(x) - n) // 2
    spectrum = np.fft.rfft(faded(x[start : start + n]))
    width = rate / n
    shaft = spec.get("speedRpm", 0) / 60
    faults = {}
    if shaft and "bearing" in spec:
        faults = {
            name: order * shaft
            for name, order in orders(spec["bearing"]).items()
            if order * shaft * len(x) / rate >= 6 and order * shaft < rate / 8
        }
    fastest = max(faults.values(), default=0)
    least, low = max(300, 4 * fastest), max(1, int(np.ceil(min(500, rate / 8) / width)))
    best = None
    for division in DIVISIONS:
        bins = n // 2 // division
        if best is not None and (bins * width < least or bins < 256):
            break
        length = length_at_least(bins, 16)
        margin = int(np.ceil(length * 0.02))
        for index in range(division):
            first = max(low, index * bins)
            count = (index + 1) * bins - first
            if count < bins / 2:
                continue
            e = envelope(spectrum, n, first, count, length)[margin : length - margin]
            kurtosis = np.mean(e**2) / np.mean(e) ** 2 - 2
            if best is None or kurtosis > best[0]:
                best = (kurtosis, first, count, np.sqrt(e.mean()))
    kurtosis, first, count, rms = best
    out = {
        "envelopeRms": rms,
        "spectralKurtosisMax": kurtosis,
        "spectralKurtosisBandHz": (first + count / 2) * width,
    }
    if not faults:
        return out
    length = length_at_least(n // 2, 16)
    margin = int(np.ceil(length * 0.02))
    e = envelope(spectrum, n, first, count, length)[margin : length - margin]
    window = scipy.signal.get_window("hann", len(e))
    points = length_at_least(len(e), 32)
    depth = np.abs(np.fft.rfft((e / e.mean() - 1) * window, points)) * 4 / len(e)
    width = rate * length / n / points
    depth = depth[: min(points // 2, int(np.ceil(4.5 * fastest / width)) + 1)]
    for name, hz in faults.items():
        total = 0.0
        for harmonic in (1, 2, 4) if name == "bsf" else (1, 2, 3):
            bin_ = harmonic * hz / width
            reach = max(1.5, bin_ * 0.02)
            a, b = max(1, int(np.ceil(bin_ - reach))), min(len(depth) - 1, int(np.floor(bin_ + reach)))
            if b < a:
                continue
            wide = max(12, min(1024, int(np.floor(bin_ * 0.1 + 0.5))))
            around = np.sort(depth[max(1, a - wide) : min(len(depth), b + wide + 1)])
            floor = around[len(around) // 2]
            total += depth[a : b + 1].max() / max(floor, 1e-3)
        out[name] = total
    return out


def vibration(x, spec):
    x = x.astype(np.float64)
    rate = spec["sampleRateHz"]
    f = statistics(x)
    hz, power = welch_power(x, rate, length_at_most(min(len(x), 262144)))
    width, shaft = hz[1], spec.get("speedRpm", 0) / 60
    low = 2 if 0 < spec.get("speedRpm", 0) < 600 else 10
    high = min(1000, rate / 2)
    to_si = {"g": G, "m/s2": 1}.get(spec["unit"])
    if to_si:
        f["velocityRmsMmPerS"] = np.sqrt(band_mean_square(hz, power, low, high, -1)) * to_si * 1e3
        f["displacementPeakToPeakUm"] = (
            np.sqrt(band_mean_square(hz, power, low, high, -2)) * 2 * np.sqrt(2) * to_si * 1e6
        )
    f |= shape(hz, power)
    for a, b in [(10, 100), (100, 1000), (1000, 2500), (2500, 5000), (5000, 10000), (10000, 20000)]:
        if b <= rate / 2:
            f[f"band.{a}-{b}.rms"] = np.sqrt(band_mean_square(hz, power, a, b))
    if shaft and 4 * width <= shaft:
        for order in range(1, 6):
            f[f"order.{order}x"] = line(hz, power, order * shaft, max(1.5 * width, order * shaft * 0.03))
    f |= envelope_features(x, spec)
    if spec.get("detail") == "full":
        f |= waveform_detail(x, rate) | third_octaves(hz, power, rate)
    return f


def third_octaves(hz, power, rate):
    out = {}
    for index in range(10, 50):
        centre = 10 ** (index / 10)
        a, b = centre * 10**-0.05, centre * 10**0.05
        if b <= rate / 2 and b - a >= 2 * hz[1]:
            nominal = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8][index % 10] * 10 ** (index // 10)
            out[f"thirdOctave.{float(f'{nominal:.3g}'):g}.rms"] = np.sqrt(band_mean_square(hz, power, a, b))
    return out


def waveform_detail(x, rate):
    d = x - x.mean()
    out = {f"percentile.{p}": np.percentile(x, p) for p in (1, 5, 25, 50, 75, 95, 99)}
    out["zeroCrossingRateHz"] = np.count_nonzero(np.diff(d >= 0)) * rate / (len(x) - 1)
    r = scipy.signal.correlate(d, d, method="fft")[len(d) - 1 :]
    r = r / (len(d) - np.arange(len(d))) / (r[0] / len(d))
    half = len(d) // 2
    first = 1 + int(np.argmax(r[1:half] <= 0))
    lag = first + int(np.argmax(r[first:half]))
    out["autocorrelationPeak"], out["autocorrelationLagS"] = r[lag], lag / rate
    return out


def sound(x, spec):
    x = x.astype(np.float64)
    rate = spec["sampleRateHz"]
    f = {k: v for k, v in statistics(x).items() if k in ("rms", "crestFactor", "kurtosis")}
    reference = 20e-6 if spec["unit"] == "Pa" else 1
    f["levelDb"] = 20 * np.log10(f["rms"] / reference)
    n = 2 ** round(np.log2(0.064 * rate))
    hz, power = welch_power(x, rate, n, detrend=False)
    f |= shape(hz, power)
    weights = librosa.A_weighting(hz[1:], min_db=None)
    f["levelDbA"] = 10 * np.log10(np.sum(power[1:] * 10 ** (weights / 10)) / reference**2)
    highest = min(8000, rate / 2)
    common = {"sr": rate, "n_fft": n, "hop_length": n // 2, "n_mels": 40, "fmax": highest, "dtype": np.float64}
    stft = np.abs(librosa.stft(x, n_fft=n, hop_length=n // 2, center=False)) ** 2
    bank = librosa.filters.mel(sr=rate, n_fft=n, n_mels=40, fmax=highest, dtype=np.float64)
    mel = librosa.power_to_db((bank @ stft).mean(axis=1), top_db=None)
    f |= {f"mel.{k}": value for k, value in enumerate(mel)}
    if spec.get("detail") == "full":
        centred = librosa.feature.melspectrogram(y=x, pad_mode="constant", **common)
        mfcc = librosa.feature.mfcc(S=librosa.power_to_db(centred), n_mfcc=13)
        delta = librosa.feature.delta(mfcc, width=9)
        f |= waveform_detail(x, rate)
        f |= third_octaves(*welch_power(x, rate, length_at_most(min(len(x), 262144))), rate)
        f |= {f"mfcc.{k}": row.mean() for k, row in enumerate(mfcc)}
        f |= {f"mfccDelta.{k}.rms": np.sqrt(np.mean(row**2)) for k, row in enumerate(delta)}
    return f


def noise(n, seed):
    """A linear congruential generator: the same numbers in any language."""
    state, out = seed, np.empty(n)
    for i in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out[i] = state / 2**32 - 0.5
    return out


def machine(n, rate):
    t = np.arange(n) / rate
    x = 0.2 * np.sin(2 * np.pi * 24.7 * t) + 0.11 * np.sin(2 * np.pi * 49.4 * t + 1) + 0.15 * noise(n, 1)
    for impact in np.arange(0.003, t[-1], 1 / 88.3):
        after = t - impact
        x += np.where(after >= 0, 1.1 * np.exp(-800 * np.maximum(after, 0)) * np.sin(2 * np.pi * 3300 * after), 0)
    return (x + 0.02).astype(np.float32)


def voice(n, rate):
    t = np.arange(n) / rate
    x = sum(0.1 / k * np.sin(2 * np.pi * 173 * k * t * (1 + 0.02 * t)) for k in range(1, 12))
    return (x * (1 + 0.5 * np.sin(2 * np.pi * 3 * t)) + 0.02 * noise(n, 5)).astype(np.float32)


def encoded(x):
    return base64.b64encode(x.astype("<f4").tobytes()).decode()


def plain(values):
    return {k: float(v) for k, v in values.items()}


def write(folder):
    folder = Path(folder)
    bearing = {"balls": 9, "ballDiameterMm": 7.94, "pitchDiameterMm": 39.04, "contactAngleDeg": 0}
    cases = []
    for name, n in (("power of two", 8192), ("any length", 7001)):
        spec = {
            "sampleRateHz": 12800,
            "blockLength": n,
            "unit": "g",
            "quantity": "acceleration",
            "speedRpm": 1482,
            "bearing": bearing,
            "detail": "full",
        }
        x = machine(n, 12800)
        cases.append({"name": f"vibration, {name}", "spec": spec, "samples": encoded(x), "features": plain(vibration(x, spec))})
    spec = {"sampleRateHz": 16000, "blockLength": 12000, "unit": "Pa", "quantity": "sound-pressure", "detail": "full"}
    x = voice(12000, 16000)
    cases.append({"name": "sound", "spec": spec, "samples": encoded(x), "features": plain(sound(x, spec))})
    document = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "librosa": librosa.__version__},
        "cases": cases,
    }
    (folder / "features.json").write_text(json.dumps(document, indent=1) + "\n")

    names = {"hann": "hann", "hamming": "hamming", "blackman-harris": "blackmanharris", "flat-top": "flattop", "rectangular": "boxcar"}
    windows = {ours: scipy.signal.get_window(theirs, 48).tolist() for ours, theirs in names.items()}
    filters = [
        {
            "options": {"sampleRateHz": 16000, "transformLength": 256, "count": 8, "lowHz": 60, "highHz": 7000, "scale": scale, "norm": norm},
            "weights": librosa.filters.mel(
                sr=16000, n_fft=256, n_mels=8, fmin=60, fmax=7000, htk=scale == "htk",
                norm=None if norm == "none" else norm, dtype=np.float64,
            ).tolist(),
        }
        for scale, norm in (("slaney", "slaney"), ("htk", "none"))
    ]
    (folder / "parts.json").write_text(json.dumps({"windows": windows, "melFilters": filters}) + "\n")


def recording(path, spec_path):
    spec = json.loads(Path(spec_path).read_text())
    _, data = scipy.io.wavfile.read(path)
    x = (data.astype(np.float32) / np.float32(2**15)) * np.float64(spec.get("fullScale", 1))
    analyse = sound if spec["quantity"] == "sound-pressure" else vibration
    print(json.dumps(plain(analyse(x.astype(np.float32), spec))))


if __name__ == "__main__":
    {"write": write, "features": recording}[sys.argv[1]](*sys.argv[2:])
