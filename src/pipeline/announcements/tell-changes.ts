import { toErrorRecord } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { Logger } from '../../base/logger.js';
import type { SourceStatus } from '../../sources/part.js';
import type { StoreChange } from '../../storage/health.js';
import type { Announcer } from './announcer.js';

/** Something began or ended that keeps the store from its work: into the log, and into the journal where it can be. */
export function tellStoreChange(
  { kind, trouble }: StoreChange,
  logger: Logger,
  announcer: Pick<Announcer, 'fact'> | undefined,
  newId: NewId,
): void {
  const { condition, reason } = trouble;
  const type = kind === 'began' ? 'StorageDegraded' : 'StorageRestored';
  const message = kind === 'began' ? reason : `no longer: ${reason}`;
  logger[kind === 'began' ? 'error' : 'info']({ condition }, message);
  announcer?.fact(type, { condition, message }, newId()).catch((thrown) => {
    logger.error({ error: toErrorRecord(thrown) }, `${type} could not be published`);
  });
}

/** A source works, or does not any more. */
export function tellSourceChange(
  [id, type, status]: readonly [id: string, type: string, status: SourceStatus],
  logger: Logger,
  announcer: Pick<Announcer, 'source'>,
  newId: NewId,
): void {
  if (status.state === 'starting' || status.state === 'stopped') return;
  announcer.source(id, type, status, newId()).catch((thrown) => {
    logger.error(
      { source: id, error: toErrorRecord(thrown) },
      'a change of the source could not be published',
    );
  });
}
