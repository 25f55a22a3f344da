import {
  answerBytes,
  type FifoRequest,
  functionCode,
  isBitTable,
  isRead,
  MAX_BITS,
  MAX_REGISTERS,
  type ReadRequest,
  type Request,
} from './protocol.js';

/** Answers kept in mind for one unit, and for the line. */
const MOST = 16;

/** All that an RTU answer tells of the request that it belongs to, but for the unit. */
interface Shape {
  readonly code: number;
  /** Data bytes of the answer; undefined for a write, whose answer names address and value, and for a FIFO queue. */
  readonly bytes: number | undefined;
}

/** A request that nobody answered in time: its answer may still come. */
interface Lost extends Shape {
  readonly quarantineUntilMs: number;
  expiresAtMs: number;
}

/**
 * An RTU answer does not say which request it answers: only unit, function and length tell. So a late answer can
 * pass for the answer to a later request of the same shape, and a register gets the value of another. This keeps
 * the requests that were lost, so that no request of the same shape goes to the same unit before it is sure that
 * the late answer has come or never will: the unit is left alone for a while (a late answer seen in that time ends
 * it), then asked something of another shape; since a unit answers in order, that answer is the proof.
 *
 * Where one converter serves the whole line in order, what it still has to say may even come under another unit's
 * id. So a missing answer of one unit makes the next request to any unit one of another shape, once.
 */
export class LateAnswers {
  readonly #quarantineMs: number;
  readonly #lost = new Map<number, Lost[]>();
  /** Shapes of what was lost on the line since somebody answered something of another shape. */
  #line: Shape[] = [];

  constructor(quarantineMs: number) {
    this.#quarantineMs = quarantineMs;
  }

  add(request: Request, nowMs: number): void {
    const shape = shapeOf(request);
    const lost = this.#lost.get(request.unitId) ?? [];
    lost.push({
      ...shape,
      quarantineUntilMs: nowMs + this.#quarantineMs,
      expiresAtMs: Number.POSITIVE_INFINITY,
    });
    // The oldest goes first: who has not answered sixteen requests will not answer the first one now.
    if (lost.length > MOST) lost.shift();
    this.#lost.set(request.unitId, lost);
    this.#line.push(shape);
    if (this.#line.length > MOST) this.#line.shift();
  }

  /** A frame came that answers nothing asked now. True where it is a late answer. */
  observe(unitId: number, pdu: Buffer): boolean {
    const lost = this.#lost.get(unitId);
    const at = lost?.findIndex((one) => matches(one, pdu[0]!, pdu[1]!)) ?? -1;
    if (lost === undefined || at < 0) return false;
    // In order: what was asked before this one has been answered, or never will be.
    lost.splice(0, at + 1);
    if (lost.length === 0) this.#lost.delete(unitId);
    return true;
  }

  /** May a frame that starts so be a late answer? */
  expects(unitId: number, code: number, byteCount: number): boolean {
    return this.#lost.get(unitId)?.some((one) => matches(one, code, byteCount)) ?? false;
  }

  /** How long this unit is still to be left alone, ms. */
  waitMs(unitId: number, nowMs: number): number {
    const last = this.#lost.get(unitId)?.at(-1);
    return last === undefined ? 0 : Math.max(0, last.quarantineUntilMs - nowMs);
  }

  /** Are answers of this unit missing? */
  pending(unitId: number, nowMs: number): boolean {
    const alive = this.#lost.get(unitId)?.filter(({ expiresAtMs }) => expiresAtMs > nowMs) ?? [];
    if (alive.length === 0) this.#lost.delete(unitId);
    else this.#lost.set(unitId, alive);
    return alive.length > 0;
  }

  /** Could a late answer be taken for the answer to this request? */
  confusable(request: ReadRequest | FifoRequest, nowMs: number): boolean {
    const { code, bytes } = shapeOf(request);
    const same = (one: Shape) => one.code === code && one.bytes === bytes;
    if (this.#line.some(same)) return true;
    return this.pending(request.unitId, nowMs) && this.#lost.get(request.unitId)!.some(same);
  }

  /** A request to the same registers whose answer cannot be confused with a late one; fewer registers first. */
  barrier(wanted: ReadRequest | FifoRequest, nowMs: number): ReadRequest | undefined {
    const request = isRead(wanted) ? wanted : holdingAt(wanted);
    if (!isRead(wanted) && !this.confusable(request, nowMs)) return request;
    const bits = isBitTable(request.table);
    const step = bits ? 8 : 1;
    const most = Math.min(bits ? MAX_BITS : MAX_REGISTERS, 0x10000 - request.address);
    for (let distance = 1; distance <= 17; distance++) {
      for (const quantity of [request.quantity - distance * step, request.quantity + distance * step]) {
        if (quantity < 1 || quantity > most) continue;
        const candidate = { ...request, quantity };
        if (!this.confusable(candidate, nowMs)) return candidate;
      }
    }
    return undefined;
  }

  /** The unit answered something that no late answer looks like: all the lost ones are over. */
  settle(unitId: number): void {
    this.#lost.delete(unitId);
    this.#line = [];
  }

  /** An exception came while answers were missing, which may be one of them: wait once more, then trust the unit. */
  doubt(unitId: number, nowMs: number): void {
    const lost = this.#lost.get(unitId) ?? [];
    for (const one of lost) one.expiresAtMs = Math.min(one.expiresAtMs, nowMs + this.#quarantineMs);
  }
}

/** A read of the register at the FIFO pointer: of another shape than what comes out of the queue. */
const holdingAt = ({ unitId, fifo }: FifoRequest): ReadRequest => ({
  unitId,
  table: 'holding',
  address: fifo,
  quantity: 1,
});

function shapeOf(request: Request): Shape {
  return {
    code: functionCode(request),
    bytes: isRead(request) ? answerBytes(request) : undefined,
  };
}

const matches = (lost: Lost, code: number, byteCount: number): boolean =>
  code === (lost.code | 0x80) ||
  (code === lost.code && (lost.bytes === undefined || lost.bytes === byteCount));
