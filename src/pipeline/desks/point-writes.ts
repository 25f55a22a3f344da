import { SmEdgeError, toErrorRecord } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { EventType } from '../../events/event.js';
import type { PointWriter, WrittenPoint } from '../../sources/part.js';

/** A person's wish to set a point to a value. */
export interface WriteCommand {
  readonly point: string;
  /** In the unit of the point. */
  readonly value: number;
  /** Who wants it. */
  readonly by: string;
  readonly note?: string | undefined;
}

export type WriteResult = WrittenPoint & { readonly correlationId: string };

/** What a running gateway has for this. */
export interface WriteDeps {
  readonly sources: { writerOf(point: string): PointWriter | undefined };
  /** `fact` resolves once the event is on disk. */
  readonly announcer: {
    fact(type: EventType, payload: Readonly<Record<string, unknown>>, correlationId: string): Promise<void>;
  };
}

/**
 * Writes to a device on command. What is wanted is on disk before anything is sent, and what came of it afterwards, so
 * that the journal tells of every change who made it, also of one that a power cut interrupted.
 * @throws SmEdgeError `NOT_FOUND` where no source has the point; what `PointWriter.write` throws
 */
export async function writeOnCommand(
  command: WriteCommand,
  newId: NewId,
  deps: WriteDeps,
): Promise<WriteResult> {
  const { point, value, by } = command;
  const writer = deps.sources.writerOf(point);
  if (writer === undefined)
    throw new SmEdgeError('NOT_FOUND', `no source that can write has a point ${point}`, {
      hint: 'write works for points of Modbus sources that are declared writable',
    });
  const correlationId = newId();
  const journal = (type: EventType, message: string, more: Readonly<Record<string, unknown>> = {}) =>
    deps.announcer.fact(type, { ...command, ...more, message }, correlationId);
  await journal('PointWriteRequested', `${by} wants ${point} to be ${value}`);
  let written: WrittenPoint;
  try {
    written = await writer.write(point, value);
  } catch (thrown) {
    const error = toErrorRecord(thrown);
    const message = `${point} was not set to ${value} for ${by}: ${error.message}`;
    await journal('PointWriteFailed', message, { error });
    throw thrown;
  }
  const { before, after, unit } = written;
  const was = before === undefined ? '' : ` (it was ${before})`;
  await journal('PointWritten', `${by} set ${point} to ${after ?? value} ${unit}${was}`, {
    unit,
    before: before ?? null,
    after: after ?? null,
  });
  return { ...written, correlationId };
}
