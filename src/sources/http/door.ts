import type { Source } from '../part.js';

/** What was stored of one request. */
export interface IngestReceipt {
  /** UUIDv7 of the batch. */
  readonly id: string;
  readonly readings: number;
  readonly waveforms: number;
}

export interface IngestResult extends IngestReceipt {
  /** The same request had been stored before under its key; nothing was stored twice. */
  readonly repeated: boolean;
}

/** The side of an http source that the API posts to. */
export interface IngestDoor {
  /**
   * Resolves once the batch is on disk.
   * @throws SmEdgeError `INGEST_INVALID`, `IDEMPOTENCY_KEY_REUSED`, or a retryable one while the store cannot
   */
  ingest(document: unknown, key: string | undefined): Promise<IngestResult>;
}

export const isIngestDoor = (source: Source | undefined): source is Source & IngestDoor =>
  source !== undefined && 'ingest' in source;
