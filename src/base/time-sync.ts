import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Clock } from './clock.js';
import { withDeadline } from './deadline.js';

/**
 * Does the system's clock follow a time source? The kernel knows, whoever disciplines its clock (systemd-timesyncd,
 * chrony, ntpd, busybox, phc2sys): it keeps a bound of its error, which each of them sets with adjtimex(2) and which
 * grows by 500 ppm until it is 16 s again, 8.9 h after the last correction. The bound is what counts and not
 * STA_UNSYNC: chrony leaves that flag set unless it may write the hardware clock too (`rtcsync`); systemd does the same
 * (timedated, pull request 13245). Setting the clock by hand puts the bound back to 16 s.
 */
const UNSYNCHRONISED_US = 16_000_000;

export interface TimeSyncAnswer {
  /** Undefined where nothing on this machine tells. */
  readonly synchronised: boolean | undefined;
  /** What told. */
  readonly by: string | undefined;
}

/** One program that tells, and how its output is read; undefined where it says nothing. */
export interface TimeSyncWay {
  readonly by: string;
  readonly command: string;
  readonly args: readonly string[];
  read(output: string): boolean | undefined;
}

export const UNKNOWN_TIME_SYNC: TimeSyncAnswer = { synchronised: undefined, by: undefined };

/** Of busybox, and of the package adjtimex: `maxerror: 16000000`, microseconds. */
export function readKernelError(output: string): boolean | undefined {
  const maxErrorUs = /^[\s-]*maxerror:\s*(\d+)/m.exec(output)?.[1];
  return maxErrorUs === undefined ? undefined : Number(maxErrorUs) < UNSYNCHRONISED_US;
}

/** `yes`, `no`, or `NTPSynchronized=yes`. */
export function readTimedate(output: string): boolean | undefined {
  const word = /^(?:NTPSynchronized=)?(yes|no)$/m.exec(output.trim())?.[1];
  return word === undefined ? undefined : word === 'yes';
}

/** chrony that serves its own clock for want of a source (`local`) calls itself 127.127.1.1. */
const CHRONY_LOCAL = '7F7F0101';
const CHRONY_COLUMNS = 14;

/** `chronyc -c tracking`: 14 columns, the reference first and the leap status last. */
export function readChrony(output: string): boolean | undefined {
  const columns = output.trim().split(',');
  if (columns.length !== CHRONY_COLUMNS) return undefined;
  return columns[0] !== CHRONY_LOCAL && columns.at(-1) !== 'Not synchronised';
}

/** Number of adjtimex(2), where its structure has 64-bit fields. */
const SYSCALLS: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 159, arm64: 171 };
/** Nothing is adjusted: `modes` is 0. `maxerror` stands at byte 24 of `struct timex`. Node has no system calls. */
const READ_BY_PERL = `my $timex = "\\0" x 512;
syscall($ARGV[0], $timex) < 0 and die "$!\\n";
printf "maxerror: %d\\n", unpack('x24 q', $timex);`;

/**
 * The ways, what asks the kernel itself first. Under a service manager that forbids the system call (`ProtectClock`)
 * timedated asks for us.
 * @param chronyArgs where chronyd listens, if not at its usual place
 */
export function timeSyncWays(chronyArgs: readonly string[] = []): TimeSyncWay[] {
  const syscall = SYSCALLS[process.arch];
  return [
    { by: 'the kernel', command: 'busybox', args: ['adjtimex'], read: readKernelError },
    { by: 'the kernel', command: 'adjtimex', args: ['--print'], read: readKernelError },
    ...(syscall === undefined
      ? []
      : [
          {
            by: 'the kernel',
            command: 'perl',
            args: ['-e', READ_BY_PERL, String(syscall)],
            read: readKernelError,
          },
        ]),
    {
      by: 'timedatectl',
      command: 'timedatectl',
      args: ['show', '--property=NTPSynchronized', '--value'],
      read: readTimedate,
    },
    { by: 'chronyc', command: 'chronyc', args: [...chronyArgs, '-c', '-n', 'tracking'], read: readChrony },
  ];
}

/** Each program is given this long, where nothing else is said, milliseconds. */
const TIMEOUT_MS = 2_000;
const MAX_OUTPUT_BYTES = 16_384;
/** How long an answer holds, milliseconds: a yes and a silence change seldom. */
const NO_HOLDS_MS = 60_000;
const HOLDS_MS = 600_000;

/** systemd-timesyncd makes the folder when it starts and the file at its first answer from a time server. */
const TIMESYNC_FOLDER = '/run/systemd/timesync';
const TIMESYNC_FILE = `${TIMESYNC_FOLDER}/synchronized`;

/** Asks the system now and then, in the background. */
export class TimeSync {
  readonly #clock: Clock;
  readonly #ways: readonly TimeSyncWay[];
  readonly #timeoutMs: number;
  #answer = UNKNOWN_TIME_SYNC;
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<TimeSyncAnswer> | undefined;
  /** The way that told the last time: it is asked first. */
  #told: TimeSyncWay | undefined;

  constructor(clock: Clock, ways: readonly TimeSyncWay[] = timeSyncWays(), timeoutMs = TIMEOUT_MS) {
    this.#clock = clock;
    this.#ways = ways;
    this.#timeoutMs = timeoutMs;
  }

  /** What is known, without waiting; asks anew for the next time where it is old. */
  latest(): TimeSyncAnswer {
    void this.ask();
    return this.#answer;
  }

  /** Never rejects. */
  ask(): Promise<TimeSyncAnswer> {
    const holdsMs = this.#answer.synchronised === false ? NO_HOLDS_MS : HOLDS_MS;
    if (this.#clock.monotonicMs() - this.#askedMs < holdsMs) return Promise.resolve(this.#answer);
    this.#asking ??= this.#ask().then((answer) => {
      this.#asking = undefined;
      this.#askedMs = this.#clock.monotonicMs();
      this.#answer = answer;
      return answer;
    });
    return this.#asking;
  }

  async #ask(): Promise<TimeSyncAnswer> {
    const told = this.#told;
    const inOrder = told === undefined ? this.#ways : [told, ...this.#ways.filter((way) => way !== told)];
    for (const way of inOrder) {
      const synchronised = way.read(await this.#outputOf(way));
      if (synchronised === undefined) continue;
      this.#told = way;
      return { synchronised, by: way.by };
    }
    this.#told = undefined;
    return byTimesyncFiles();
  }

  /** Empty where the program is not here, fails or takes too long. */
  async #outputOf({ command, args }: TimeSyncWay): Promise<string> {
    const { PATH = '' } = process.env;
    const options = {
      // A second deadline stands below: a process that waits for a disk cannot be killed.
      timeout: this.#timeoutMs,
      killSignal: 'SIGKILL' as const,
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { PATH: `${PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' },
    };
    const output = new Promise<string>((resolve) => {
      execFile(command, [...args], options, (error, stdout) => resolve(error === null ? stdout : ''));
    });
    return withDeadline(this.#clock, `${command} on the clock`, 2 * this.#timeoutMs, output).catch(() => '');
  }
}

const byTimesyncFiles = async (): Promise<TimeSyncAnswer> => {
  const isThere = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  if (!(await isThere(TIMESYNC_FOLDER))) return UNKNOWN_TIME_SYNC;
  return { synchronised: await isThere(TIMESYNC_FILE), by: 'systemd-timesyncd' };
};

/** How often it is looked, milliseconds. */
const INTERVAL_MS = 10_000;

/**
 * Is the time that is given to what comes in to be believed? False while systemd-timesyncd runs and has not heard of a
 * time server; true where it does not run, for many a plant has no time server and a clock that is right all the same.
 */
export function systemTimeWatch(clock: Pick<Clock, 'monotonicMs'>): () => boolean {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let synchronised = true;
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lookedMs >= INTERVAL_MS) {
      lookedMs = nowMs;
      synchronised = !existsSync(TIMESYNC_FOLDER) || existsSync(TIMESYNC_FILE);
    }
    return synchronised;
  };
}
