import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AlarmRecord } from '#sm/alarms/record.js';
import type { Random } from '#sm/base/random.js';
import { ChunkStore } from '#sm/storage/chunks/chunk-store.js';
import { integrityFindings } from '#sm/storage/integrity.js';
import { Reader } from '#sm/storage/reader.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { DATABASE_FILE } from '#sm/storage/store.js';
import { eventually } from '../support/daemon.js';

const WRITER = join(import.meta.dirname, 'kill-writer.mjs');
const POINTS = 20;
/** Rows of a batch at each point. */
const ROWS = 50;
const ROW_MS = 1;

export type WriterMode = 'steady' | 'jumping' | 'idle';

/** A random moment is what is tested: nothing is waited for. */
export const randomMoment = (random: Random, mostMs: number): Promise<void> => delay(20 + random() * mostMs);

export interface KillTotals {
  readonly kills: number;
  readonly readingsAcknowledged: number;
  readonly readingsLost: number;
  readonly eventsAcknowledged: number;
  readonly eventsLost: number;
  /** Alarm states that do not follow from the one before, or are not those of the journal. */
  readonly transitionsLost: number;
  readonly eventsNeverDelivered: number;
  readonly outOfOrder: number;
  /** Deliveries that were repeated after a kill: at least once, so some are. */
  readonly deliveredAgain: number;
  readonly damaged: number;
}

/** A writer that is killed again and again, and what it acknowledged, to be compared with what is on the disk. */
export class KilledWriter {
  readonly #folder: string;
  readonly #random: Random;
  #child: ChildProcess | undefined;
  #nextBatch = 0;
  /** Start of each acknowledged batch, microseconds. */
  readonly #batches = new Map<number, number>();
  #fresh: number[] = [];
  readonly #acknowledged = new Set<string>();
  readonly #seqs = new Map<string, number>();
  readonly #states = new Map<string, string>();
  #lastSeq = 0;
  #delivered = 0;
  readonly #heard: string[] = [];
  readonly #counts = { kills: 0, lost: 0, events: 0, transitions: 0, order: 0, again: 0, damaged: 0 };
  readonly #troubles: string[] = [];
  #diskErrors = 0;

  constructor(folder: string, random: Random) {
    this.#folder = folder;
    this.#random = random;
  }

  get troubles(): readonly string[] {
    return this.#troubles;
  }

  /** Events acknowledged so far: with `diskErrors` to see that a disk gave out, and came back. */
  get events(): number {
    return this.#acknowledged.size;
  }

  get diskErrors(): number {
    return this.#diskErrors;
  }

  async start(mode: WriterMode): Promise<void> {
    const seed = Math.floor(this.#random() * 2 ** 31);
    const child = spawn(process.execPath, [WRITER, this.#folder, `${this.#nextBatch}`, `${seed}`, mode], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: join(import.meta.dirname, '../..'),
    });
    this.#child = child;
    let isReady = false;
    let errors = '';
    let rest = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    child.stdout.on('data', (text) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === 'ready') isReady = true;
        else this.#hear(line);
      }
    });
    await eventually('the writer is ready', () => {
      if (child.exitCode !== null) throw new Error(`the writer ended: ${errors}`);
      return isReady || undefined;
    });
  }

  /** Ends the writer as a loss of power does, and takes what it had said. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (child.exitCode === null) {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    }
    this.#counts.kills++;
    // Some numbers may have been written and not acknowledged: they are not used again.
    this.#nextBatch += 1_000;
  }

  /** Compares what was acknowledged since the last look with what is there. */
  check(): void {
    const path = join(this.#folder, DATABASE_FILE);
    const findings = integrityFindings(path);
    const setAside = readdirSync(this.#folder).filter((name) => name.includes('.damaged'));
    if (findings.length > 0 || setAside.length > 0) {
      this.#counts.damaged++;
      this.#troubles.push(`damaged: ${[...findings, ...setAside].join('; ')}`);
    }
    if (!existsSync(path)) return;
    const db = new SqliteDatabase(path, { readonly: true });
    try {
      const reader = new Reader(db, new ChunkStore(db));
      this.#checkReadings(reader, this.#fresh);
      this.#checkEvents(reader);
      this.#checkDeliveries();
      this.#fresh = [];
    } finally {
      db.close();
    }
  }

  /** Lets the last events be delivered, looks at everything once more, and sums up. */
  async finish(): Promise<KillTotals> {
    await this.start('idle');
    await eventually('all events are delivered', () => this.#isAllDelivered() || undefined).catch(
      () => undefined,
    );
    await this.kill();
    this.check();
    this.#fresh = [...this.#batches.keys()];
    this.#counts.lost = 0;
    this.check();
    const { kills, lost, events, transitions, order, again, damaged } = this.#counts;
    return {
      kills: kills - 1,
      readingsAcknowledged: this.#batches.size * POINTS * ROWS,
      readingsLost: lost,
      eventsAcknowledged: this.#acknowledged.size,
      eventsLost: events,
      transitionsLost: transitions,
      eventsNeverDelivered: this.#lastSeq - this.#delivered,
      outOfOrder: order,
      deliveredAgain: again,
      damaged,
    };
  }

  #hear(line: string): void {
    const [kind, first = '', second] = line.split(' ');
    if (kind === 'R') {
      this.#nextBatch = Math.max(this.#nextBatch, Number(first) + 1);
      this.#batches.set(Number(first), Number(second));
      this.#fresh.push(Number(first));
    } else if (kind === 'E') this.#acknowledged.add(first);
    else if (kind === 'D') this.#heard.push(first);
    else if (kind === 'X') this.#diskErrors++;
    else this.#troubles.push(line);
  }

  #isAllDelivered(): boolean {
    this.#checkDeliveries();
    return this.#delivered >= this.#lastSeq;
  }

  #checkReadings(reader: Reader, batches: readonly number[]): void {
    if (batches.length === 0) return;
    const starts = batches.map((batch) => this.#batches.get(batch)! / 1000);
    const fromMs = Math.min(...starts);
    const toMs = Math.max(...starts) + ROWS * ROW_MS;
    for (let point = 0; point < POINTS; point++) {
      const found = new Map<number, number>();
      const span = { point: `m${point}.temperature`, fromMs, toMs, limit: 1e9 };
      for (const { values } of reader.readingColumns(span)) {
        for (const value of values) {
          const batch = Math.floor(value / ROWS);
          found.set(batch, (found.get(batch) ?? 0) + 1);
        }
      }
      for (const batch of batches) {
        const missing = ROWS - (found.get(batch) ?? 0);
        if (missing === 0) continue;
        this.#counts.lost += Math.abs(missing);
        this.#troubles.push(`batch ${batch} at point ${point}: ${missing} missing`);
      }
    }
  }

  #checkEvents(reader: Reader): void {
    const journaled = reader.journal({ afterSeq: this.#lastSeq, limit: 1e6 });
    const there = new Set<string>();
    for (const { seq, event } of journaled) {
      const { alarm, from, to, value } = event.payload as Record<string, string>;
      there.add(String(value));
      this.#seqs.set(event.id, seq);
      if (seq !== this.#lastSeq + 1) this.#trouble('events', `journal jumps from ${this.#lastSeq} to ${seq}`);
      this.#lastSeq = seq;
      if ((this.#states.get(alarm!) ?? 'normal') !== from) this.#trouble('transitions', `${alarm} at ${seq}`);
      this.#states.set(alarm!, to!);
    }
    for (const value of this.#acknowledged)
      if (!there.has(value) && !this.#known.has(value)) this.#trouble('events', `event of ${value}`);
    for (const value of there) this.#known.add(value);
    const stored = new Map(
      (reader.alarmStates() as AlarmRecord[]).map(({ alarm, state }) => [alarm, state as string]),
    );
    for (const [alarm, state] of this.#states)
      if (stored.get(alarm) !== state)
        this.#trouble('transitions', `${alarm} is stored as ${stored.get(alarm)}`);
  }

  readonly #known = new Set<string>();

  /** The subscriber hears every event, in the order of the journal; after a kill some again, but none is left out. */
  #checkDeliveries(): void {
    for (const id of this.#heard.splice(0)) {
      const seq = this.#seqs.get(id);
      if (seq === undefined) {
        this.#trouble('order', `an event was delivered that is not in the journal: ${id}`);
        continue;
      }
      if (seq <= this.#delivered) this.#counts.again++;
      else if (seq !== this.#delivered + 1) this.#trouble('order', `${seq} came after ${this.#delivered}`);
      this.#delivered = Math.max(this.#delivered, seq);
    }
  }

  #trouble(kind: 'events' | 'transitions' | 'order', what: string): void {
    this.#counts[kind]++;
    this.#troubles.push(`${kind}: ${what}`);
  }
}
