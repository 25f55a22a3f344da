// How long the main thread is held up: by how much a timer of a millisecond comes late, and how long the thread itself
// computed between two of them (the kernel's count, which other programs on the machine do not lengthen).
import { readFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';

/** Computing time of the calling thread so far, milliseconds; undefined where the kernel does not tell. */
function threadCpuMs() {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}

const round = (value) => Math.round(value * 100) / 100;

const TICK_MS = 1;

/** Watches until `stop`, which gives how long the turns of the event loop took, milliseconds. */
export function watchMainThread() {
  const delays = [];
  const collections = [];
  const computing = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collections.push(duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  let last = performance.now();
  let lastCpu = threadCpuMs();
  const timer = setInterval(() => {
    const now = performance.now();
    const cpu = threadCpuMs();
    delays.push(Math.max(0, now - last - TICK_MS));
    // The kernel brings its count up to date when the thread sleeps, so that of several turns may come at once.
    if (cpu !== undefined) computing.push(Math.min(cpu - lastCpu, now - last));
    last = now;
    lastCpu = cpu;
  }, TICK_MS);
  return {
    stop() {
      clearInterval(timer);
      observer.disconnect();
      delays.sort((a, b) => a - b);
      const at = (share) => round(delays[Math.floor(share * (delays.length - 1))]);
      return {
        delayMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
        longestComputingMs: round(Math.max(0, ...computing)),
        turns: delays.length,
        turnsLateOver5Ms: delays.filter((ms) => ms > 5).length,
        turnsComputingOver5Ms: computing.filter((ms) => ms > 5).length,
        longestCollectionMs: round(Math.max(0, ...collections)),
      };
    },
  };
}
