import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, systemClock } from '#sm/base/clock.js';
import {
  readChrony,
  readKernelError,
  readTimedate,
  TimeSync,
  type TimeSyncWay,
  timeSyncWays,
} from '#sm/base/time-sync.js';
import { Chrony, chronyc, hasChrony } from '../support/chrony.js';
import { findProgram, onPath, requirePeer } from '../support/require.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
/** A program may take its time to start beside other work. */
const PATIENT_MS = 60_000;
const wayOf = (command: string, args: readonly string[] = []): TimeSyncWay => {
  const way = timeSyncWays(args).find((known) => known.command === command);
  if (way === undefined) throw new Error(`no way by ${command}`);
  return way;
};
const outputOf = async ({ command, args }: TimeSyncWay, file = findProgram(command) ?? command) =>
  (await run(file, [...args])).stdout;

/** What `busybox adjtimex` prints of a clock whose error is bounded to so many microseconds. */
const busyboxSays = (maxErrorUs: number, status: string): string =>
  `    mode:         0\n-o  offset:       0 us\n-f  freq.adjust:  0 (65536 = 1ppm)\n    maxerror:     ${maxErrorUs}\n    esterror:     0\n    status:       ${status}\n`;

describe('what programs print of the clock', () => {
  it('is read by the bound of its error, whatever the flag for the hardware clock says', () => {
    expect(readKernelError(busyboxSays(16_000_000, '64 (UNSYNC)'))).toBe(false);
    expect(readKernelError(busyboxSays(17_288, '64 (UNSYNC)'))).toBe(true);
    expect(readKernelError('         mode: 0\n     maxerror: 501\n       status: 8193\n')).toBe(true);
    expect(readKernelError('adjtimex: Operation not permitted')).toBeUndefined();
    expect(readTimedate('yes\n')).toBe(true);
    expect(readTimedate('NTPSynchronized=no\n')).toBe(false);
    expect(readTimedate('')).toBeUndefined();
    expect(readChrony('506 Cannot talk to daemon')).toBeUndefined();
  });
});

const hasBusybox = requirePeer('busybox', onPath('busybox'), 'scripts/test-servers.sh');

describe.skipIf(!hasBusybox || !onPath('perl'))('the kernel of this machine', () => {
  it('says the same through busybox and through perl', async () => {
    const answers = await Promise.all(
      ['busybox', 'perl'].map(async (command) => {
        const way = wayOf(command);
        return way.read(await outputOf(way));
      }),
    );
    expect(answers[0]).toBeTypeOf('boolean');
    expect(answers[1]).toBe(answers[0]);
    const asked = await new TimeSync(systemClock, timeSyncWays(), PATIENT_MS).ask();
    expect(asked).toEqual({ synchronised: answers[0], by: 'the kernel' });
  });
});

describe.skipIf(!hasChrony())('chrony', () => {
  const daemons: Chrony[] = [];
  const start = async (...sources: string[]) => {
    const daemon = await Chrony.start(...sources);
    daemons.push(daemon);
    return daemon;
  };
  const says = ({ commandArgs }: Chrony) =>
    new TimeSync(systemClock, [{ ...wayOf('chronyc', commandArgs), command: chronyc }]).ask();

  afterEach(async () => {
    await Promise.all(daemons.splice(0).map((daemon) => daemon.remove()));
  });

  it('follows a server, or says that it does not; its own clock is no source', async () => {
    const server = await start('local stratum 8');
    const follower = await start(`server 127.0.0.1 port ${server.ntpPort} iburst minpoll 0 maxpoll 0`);
    const alone = await start();
    const yes = { synchronised: true, by: 'chronyc' };
    await until(async () => expect(await says(follower)).toEqual(yes));
    for (const daemon of [server, alone])
      await until(async () => expect(await says(daemon)).toEqual({ synchronised: false, by: 'chronyc' }));
  });

  it('that is not running says nothing', async () => {
    const gone = await start();
    await gone.remove();
    expect((await says(gone)).by).not.toBe('chronyc');
  });
});

describe('asking the system', () => {
  const shell = (script: string, by: string): TimeSyncWay => ({
    ...{ by, command: 'sh', args: ['-c', script] },
    read: readTimedate,
  });

  it('goes on where a program is missing, fails or says nonsense, and says so where none tells', async () => {
    const missing = { ...shell('', 'nobody'), command: 'there-is-no-such-program' };
    const ways = [missing, shell('echo yes; exit 1', 'failing'), shell('echo perhaps', 'vague')];
    const last = shell('echo no', 'the last');
    const answer = await new TimeSync(systemClock, [...ways, last], PATIENT_MS).ask();
    expect(answer).toEqual({ synchronised: false, by: 'the last' });
    const nothing = await new TimeSync(systemClock, ways, PATIENT_MS).ask();
    if (existsSync('/run/systemd/timesync')) expect(nothing.by).toBe('systemd-timesyncd');
    else expect(nothing).toEqual({ synchronised: undefined, by: undefined });
  });

  it('waits for none for long', async () => {
    const ways = [shell('exec sleep 36000', 'slow'), shell('echo yes', 'quick')];
    await until(async () =>
      expect(await new TimeSync(systemClock, ways).ask()).toEqual({ synchronised: true, by: 'quick' }),
    );
  });

  it('never holds up who needs it now, and asks again when the answer is old', async () => {
    const clock = new ManualClock(Date.UTC(2026, 5, 1));
    let word = 'no';
    const way = { ...shell('echo no', 'somebody'), read: () => word === 'yes' };
    const sync = new TimeSync(clock, [way], PATIENT_MS);
    expect(sync.latest().synchronised).toBeUndefined();
    expect((await sync.ask()).synchronised).toBe(false);
    word = 'yes';
    expect((await sync.ask()).synchronised).toBe(false);
    clock.advance(61_000);
    expect(sync.latest().synchronised).toBe(false);
    expect((await sync.ask()).synchronised).toBe(true);
  });
});
