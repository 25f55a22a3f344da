/* Real transform by FFTW 3 in float with a measured plan: prints "length µs" per line, the lowest decile of 41 rounds.
   cc -O2 fftw.c -lfftw3f -lm -o fftw      (Debian: libfftw3-dev) */
#include <fftw3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(void) {
  for (int n = 1024; n <= 65536; n *= 2) {
    float *in = fftwf_alloc_real(n);
    fftwf_complex *out = fftwf_alloc_complex(n / 2 + 1);
    fftwf_plan plan = fftwf_plan_dft_r2c_1d(n, in, out, FFTW_MEASURE);
    for (int i = 0; i < n; i++) in[i] = (float)rand() / RAND_MAX - 0.5f;
    int repeat = 4000000 / n;
    double times[41];
    for (int round = 0; round < 41; round++) {
      double start = now_us();
      for (int i = 0; i < repeat / 10; i++) fftwf_execute(plan);
      times[round] = (now_us() - start) / (repeat / 10);
    }
    qsort(times, 41, sizeof(double), ascending);
    printf("%d %.3f\n", n, times[4]);
    fftwf_destroy_plan(plan);
    fftwf_free(in);
    fftwf_free(out);
  }
  return 0;
}
