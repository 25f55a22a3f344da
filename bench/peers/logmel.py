"""Log-mel of 10 s of sound at 16 kHz by librosa's own functions: time (lowest decile) as JSON. With the filters made once
(`prepared`) it is about a quarter faster."""

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
        mel = librosa.feature.melspectrogram(y=sound, sr=RATE, n_fft=LENGTH, hop_length=HOP, n_mels=BANDS)
        return librosa.power_to_db(mel)

    def prepared():
        power = np.abs(librosa.stft(sound, n_fft=LENGTH, hop_length=HOP)) ** 2
        return librosa.power_to_db(np.einsum("mf,ft->mt", bank, power, optimize=True))

    def quiet_us(call):
        for _ in range(5):
            call()
        times = []
        end = time.perf_counter() + SECONDS / 2
        while time.perf_counter() < end:
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return round(float(np.percentile(times, 10)) * 1e6, 1)

    print(
        json.dumps(
            {"us": quiet_us(once), "preparedUs": quiet_us(prepared), "librosa": librosa.__version__}
        )
    )
