import type { Duplex } from 'node:stream';
import { type Clock, sleep, type Timer } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import { everythingRead } from '../../base/turns.js';
import { type Frame, type Framing, MbapFraming, RtuFraming } from './framing.js';
import { LateAnswers } from './late-answers.js';
import {
  type Answer,
  addressOf,
  answerBytes,
  encodePdu,
  exceptionText,
  type FifoRequest,
  functionCode,
  isBitTable,
  isRead,
  MAX_BITS,
  MAX_REGISTERS,
  parseAnswer,
  type ReadRequest,
  type Request,
} from './protocol.js';
import { RecentAnswers } from './recent-answers.js';

/** After so many deadlines without one byte from anybody, a TCP connection is taken for dead. */
const SILENT_DEADLINES = 3;

/** Registers that a confirmation reads beyond what was asked for. */
const MOST_EXTRA = 4;

/** What came in that was not wanted, by kind: each is discarded and counted. */
export type Discarded = 'stale' | 'wrong-unit' | 'mismatch' | 'unsolicited' | 'repeated' | 'twin';

/** What only a line without transaction ids needs to remember. */
export interface RtuMemory {
  readonly late: LateAnswers;
  readonly recent: RecentAnswers;
}

export function rtuMemory(timeoutMs: number): RtuMemory {
  const patienceMs = 2 * timeoutMs;
  return { late: new LateAnswers(patienceMs), recent: new RecentAnswers(2 * patienceMs) };
}

export interface ExchangeOptions {
  readonly clock: Clock;
  /** Deadline of one request that has none of its own, ms. */
  readonly timeoutMs: number;
  /** RTU: the line is quiet for this long before a request, and after an answer, ms. */
  readonly silenceMs: number;
  /** Give the connection up after three deadlines without a byte: sense over TCP, none on a wire. */
  readonly abandonSilent: boolean;
  /** RTU: what may still come. It belongs to the line and outlives a connection: a device server keeps answers. */
  readonly rtu?: RtuMemory;
  readonly onDiscarded: (kind: Discarded) => void;
  readonly onGarbage: (bytes: number) => void;
}

type DataAnswer = Extract<Answer, { kind: 'data' }>;

interface Waiting {
  readonly request: Request;
  readonly transactionId: number;
  /** Its deadline, monotonic ms. */
  readonly dueMs: number;
  readonly timer: Timer;
  settle(outcome: Answer | SmEdgeError): void;
}

/** One open connection to one or many units: one request at a time, and the answer to that request or none. */
export class Exchange {
  readonly #stream: Duplex;
  readonly #options: ExchangeOptions;
  readonly #framing: Framing;
  readonly #rtu: RtuMemory | undefined;
  #waiting: Waiting | undefined;
  /** The last answer, while the line is watched for a second one. */
  #guarded: { readonly request: Request; readonly answer: Answer; contradicted: boolean } | undefined;
  /** The last answer is the same as a frame that came a moment ago for something else. */
  #twin = false;
  /** Changes from one confirmation to the next: where all registers are zero, those look alike too. */
  #extra = 0;
  /** Deadline of the request at hand, ms. */
  #timeoutMs: number;
  /** Frames that nobody waited for. */
  #strays = 0;
  #transactionId = 0;
  #lastByteMs = Number.NEGATIVE_INFINITY;
  #silentDeadlines = 0;
  #garbageSeen = 0;
  #fault: SmEdgeError | undefined;
  #resolveClosed!: (fault: SmEdgeError) => void;
  /** Resolves when the connection is over, with the reason. */
  readonly closed = new Promise<SmEdgeError>((resolve) => {
    this.#resolveClosed = resolve;
  });

  constructor(stream: Duplex, options: ExchangeOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs;
    this.#rtu = options.rtu;
    this.#framing =
      options.rtu === undefined ? new MbapFraming() : new RtuFraming((...start) => this.#expects(...start));
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', (error: Error) => this.#end(linkError(error.message)));
    stream.on('close', () => this.#end(linkError('the connection was closed')));
    stream.on('end', () => this.#end(linkError('the device closed the connection')));
  }

  /** How long no request may go to this unit, since a late answer of it may be on its way, ms. */
  waitMs(unitId: number): number {
    return this.#rtu?.late.waitMs(unitId, this.#options.clock.monotonicMs()) ?? 0;
  }

  /**
   * The data of the answer. Rejects with `MODBUS_TIMEOUT`, `MODBUS_EXCEPTION` (`details.exception`),
   * `MODBUS_DOUBTFUL` (RTU: more came than was asked for) or `LINE_DOWN`.
   */
  async transact(request: Request, timeoutMs = this.#options.timeoutMs): Promise<Buffer> {
    this.#timeoutMs = timeoutMs;
    if (this.#rtu === undefined) return dataOf(await this.#ask(request), request);
    const { late } = this.#rtu;
    const { clock } = this.#options;
    if (!('write' in request) && late.confusable(request, clock.monotonicMs())) {
      await this.#passBarrier(late, request);
    }
    let answer = await this.#askQuietly(request);
    if (answer.kind === 'data') {
      if (this.#twin && !('write' in request) && answer.data.length > 0) {
        this.#options.onDiscarded('twin');
        if (isRead(request)) answer = await this.#confirm(late, request, answer);
        else await this.#confirmQueue(late, request);
      }
      late.settle(request.unitId);
    } else if (late.pending(request.unitId, clock.monotonicMs())) {
      late.doubt(request.unitId, clock.monotonicMs());
      throw doubtful('an exception that may belong to an earlier request');
    }
    return dataOf(answer, request);
  }

  /**
   * What a queue held looks like an earlier answer. Reading it again may lose what it holds, so the unit is asked for
   * a register: if the answer was a copy, the real one comes before that, and is noticed.
   */
  async #confirmQueue(late: LateAnswers, request: FifoRequest): Promise<void> {
    late.add(request, this.#options.clock.monotonicMs());
    const strays = this.#strays;
    await this.#passBarrier(late, request);
    if (this.#strays !== strays) throw doubtful('a queue answered twice');
  }

  /**
   * Asks again after an answer that may be a copy of an earlier one: for a register or a few more, since an answer of that
   * length can be nothing else, or where the device has no more, for the same, which must then come out the same.
   */
  async #confirm(late: LateAnswers, request: ReadRequest, doubted: DataAnswer): Promise<DataAnswer> {
    const { clock } = this.#options;
    // If that was a copy, the real answer is still on its way.
    late.add(request, clock.monotonicMs());
    this.#extra = (this.#extra % MOST_EXTRA) + 1;
    const longer = longerRequest(request, this.#extra);
    if (longer !== undefined && !late.confusable(longer, clock.monotonicMs())) {
      const answer = await this.#askQuietly(longer);
      if (answer.kind === 'data' && !this.#twin)
        return { kind: 'data', data: answer.data.subarray(0, answerBytes(request)) };
    }
    if (!sameAnswer(await this.#askQuietly(request), doubted)) throw doubtful('two answers that differ');
    return doubted;
  }

  /** Asks the unit something whose answer no late answer looks like: then all that were missing are over. */
  async #passBarrier(late: LateAnswers, request: ReadRequest | FifoRequest): Promise<void> {
    const { clock } = this.#options;
    const barrier = late.barrier(request, clock.monotonicMs());
    if (barrier === undefined) throw doubtful('too many answers of this unit are missing');
    const answer = await this.#askQuietly(barrier);
    const unsure = answer.kind === 'exception' && late.pending(request.unitId, clock.monotonicMs());
    if (unsure || this.#twin) {
      late.add(barrier, clock.monotonicMs());
      late.doubt(request.unitId, clock.monotonicMs());
      throw doubtful('a late answer may still be on its way');
    }
    late.settle(request.unitId);
  }

  destroy(): void {
    this.#end(linkError('closed'));
  }

  /**
   * Asks on a line that is quiet before and after. Two different answers are none: the first may be the second copy
   * of an earlier one.
   */
  async #askQuietly(request: Request): Promise<Answer> {
    await this.#quiet();
    this.#dropPending();
    const answer = await this.#ask(request);
    await this.#quiet();
    this.#dropPending();
    const contradicted = this.#guarded?.contradicted ?? false;
    this.#guarded = undefined;
    if (contradicted) throw doubtful('two different answers came');
    return answer;
  }

  #dropPending(): void {
    this.#framing.clear();
    this.#countGarbage();
  }

  /**
   * Waits until nothing has come for the silence; a line that never rests is waited for no longer than the deadline.
   * While this process was held up, time went by and nothing was read: what came then is taken first, or it would pass
   * for the answer to a request that had not gone out yet.
   */
  async #quiet(): Promise<void> {
    const { clock, silenceMs, timeoutMs } = this.#options;
    const untilMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const nowMs = clock.monotonicMs();
      const restMs = this.#lastByteMs + silenceMs - nowMs;
      if (this.#fault !== undefined) throw this.#fault;
      if (restMs > 0 && nowMs < untilMs) {
        await sleep(clock, 'modbus silence', Math.ceil(restMs));
        continue;
      }
      const lastByteMs = this.#lastByteMs;
      await everythingRead();
      if (this.#fault !== undefined) throw this.#fault;
      if (this.#lastByteMs === lastByteMs || nowMs >= untilMs) return;
    }
  }

  #ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== undefined) return reject(this.#fault);
      const { clock } = this.#options;
      this.#guarded = undefined;
      this.#transactionId = (this.#transactionId + 1) & 0xffff;
      const timer = clock.setTimer('modbus request', this.#timeoutMs, () => this.#onDeadline());
      this.#waiting = {
        request,
        transactionId: this.#transactionId,
        dueMs: clock.monotonicMs() + this.#timeoutMs,
        timer,
        settle: (outcome) => {
          timer.cancel();
          this.#waiting = undefined;
          if (outcome instanceof SmEdgeError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#stream.write(this.#framing.encode(request.unitId, encodePdu(request), this.#transactionId));
    });
  }

  #onDeadline(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const { clock, abandonSilent } = this.#options;
    this.#rtu?.late.add(waiting.request, clock.monotonicMs());
    waiting.settle(
      new SmEdgeError(
        'MODBUS_TIMEOUT',
        `unit ${waiting.request.unitId} did not answer within ${Math.round(this.#timeoutMs)} ms`,
        {
          retryable: true,
          hint: 'is the unit on, the unit id right, and on a serial line baud rate, parity and polarity?',
        },
      ),
    );
    this.#silentDeadlines++;
    if (abandonSilent && this.#silentDeadlines >= SILENT_DEADLINES) {
      this.#end(linkError('nothing came for three deadlines'));
    }
  }

  #receive(chunk: Buffer): void {
    this.#lastByteMs = this.#options.clock.monotonicMs();
    this.#silentDeadlines = 0;
    // Where this process was held up it may read before its timer fires. Without transaction ids what is late is late.
    if (this.#rtu !== undefined && this.#waiting !== undefined && this.#lastByteMs > this.#waiting.dueMs) {
      this.#onDeadline();
      this.#silentDeadlines = 0;
    }
    try {
      for (const frame of this.#framing.push(chunk)) this.#take(frame);
      this.#countGarbage();
    } catch (error) {
      this.#end(linkError((error as Error).message));
    }
  }

  #take({ unitId, pdu, transactionId }: Frame): void {
    const waiting = this.#waiting;
    const known = transactionId === undefined || transactionId === waiting?.transactionId;
    if (known && waiting !== undefined && unitId === waiting.request.unitId) {
      const answer = parseAnswer(pdu, waiting.request);
      if (answer.kind !== 'mismatch') {
        const address = addressOf(waiting.request);
        this.#twin = this.#rtu?.recent.resembles(unitId, pdu, address, this.#lastByteMs) ?? false;
        this.#rtu?.recent.add(unitId, pdu, address, this.#lastByteMs);
        // At once: a second answer may stand in the same chunk.
        if (this.#rtu !== undefined)
          this.#guarded = { request: waiting.request, answer, contradicted: false };
        waiting.settle(answer);
        return;
      }
    }
    this.#strays++;
    this.#rtu?.recent.add(unitId, pdu, undefined, this.#lastByteMs);
    this.#options.onDiscarded(this.#judge(unitId, pdu, known));
  }

  /** Why a frame is not wanted. */
  #judge(unitId: number, pdu: Buffer, known: boolean): Discarded {
    const guarded = this.#guarded;
    if (guarded !== undefined && guarded.request.unitId === unitId) {
      const second = parseAnswer(pdu, guarded.request);
      if (second.kind !== 'mismatch') {
        if (!sameAnswer(guarded.answer, second)) guarded.contradicted = true;
        return 'repeated';
      }
    }
    if (!known || this.#rtu?.late.observe(unitId, pdu)) return 'stale';
    const waiting = this.#waiting;
    if (waiting === undefined) return 'unsolicited';
    return unitId === waiting.request.unitId ? 'mismatch' : 'wrong-unit';
  }

  #expects(unitId: number, code: number, byteCount: number): boolean {
    const request = this.#waiting?.request;
    if (request !== undefined && request.unitId === unitId) {
      const wanted = functionCode(request);
      if (code === (wanted | 0x80)) return true;
      if (code === wanted && (!isRead(request) || byteCount === answerBytes(request))) return true;
    }
    return this.#rtu?.late.expects(unitId, code, byteCount) ?? false;
  }

  #countGarbage(): void {
    const { garbageBytes } = this.#framing;
    if (garbageBytes > this.#garbageSeen) this.#options.onGarbage(garbageBytes - this.#garbageSeen);
    this.#garbageSeen = garbageBytes;
  }

  #end(fault: SmEdgeError): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    if (this.#waiting !== undefined)
      this.#rtu?.late.add(this.#waiting.request, this.#options.clock.monotonicMs());
    this.#waiting?.settle(fault);
    this.#stream.destroy();
    this.#resolveClosed(fault);
  }
}

const linkError = (message: string): SmEdgeError =>
  new SmEdgeError('LINE_DOWN', message, { retryable: true });

const doubtful = (message: string): SmEdgeError =>
  new SmEdgeError('MODBUS_DOUBTFUL', message, {
    retryable: true,
    hint: 'two masters on the line, or a unit slower than `timeout`: raise it',
  });

/** The same and a little more: registers, or bytes of bits. Undefined where the table or one request ends. */
function longerRequest(request: ReadRequest, extra: number): ReadRequest | undefined {
  const bits = isBitTable(request.table);
  const quantity = request.quantity + extra * (bits ? 8 : 1);
  const most = Math.min(bits ? MAX_BITS : MAX_REGISTERS, 0x10000 - request.address);
  return quantity > most ? undefined : { ...request, quantity };
}

const sameAnswer = (a: Answer, b: Answer): boolean =>
  a.kind === 'data' && b.kind === 'data'
    ? a.data.equals(b.data)
    : a.kind === 'exception' && b.kind === 'exception' && a.code === b.code;

function dataOf(answer: Answer, request: Request): Buffer {
  if (answer.kind === 'data') return answer.data;
  const code = answer.kind === 'exception' ? answer.code : 0;
  const { text, hint } = exceptionText(code);
  throw new SmEdgeError('MODBUS_EXCEPTION', `unit ${request.unitId} answers with ${text}`, {
    hint,
    retryable: code === 5 || code === 6 || code === 10 || code === 11,
    details: {
      exception: code,
      unitId: request.unitId,
      address: addressOf(request),
    },
  });
}
