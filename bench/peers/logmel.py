"""Log-mel of 10 s of sound at 16 kHz by librosa (float32, filters made once): median time as JSON."""

import json
import sys
import time

import librosa
import numpy as np

RATE, LENGTH, HOP, BANDS = 16000, 1024, 512, 40
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0

if __name__ == "__main__":
    random = np.random.default_rng(1)
    sound = (np.sin(np.arange(10 * RATE) * 0.3) + random.standard_normal(10 * RATE) * 0.3).astype(np.float32)
    bank = librosa.filters.mel(sr=RATE, n_fft=LENGTH, n_mels=BANDS)

    def once():
        power = np.abs(librosa.stft(sound, n_fft=LENGTH, hop_length=HOP)) ** 2
        return librosa.power_to_db(np.einsum("mf,ft->mt", bank, power, optimize=True), top_db=80)

    for _ in range(5):
        once()
    times = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    print(json.dumps({"medianUs": round(float(np.median(times)) * 1e6, 1), "librosa": librosa.__version__}))
