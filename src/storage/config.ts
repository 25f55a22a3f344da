import { z } from 'zod';
import { byteSize, cronExpression, duration } from '../base/schema.js';

const keep = (text: string, what: string) =>
  duration({ minMs: 60_000 }).prefault(text).describe(`How long ${what} are kept`);

export const storageConfigSchema = z
  .strictObject({
    path: z.string().min(1).max(1000).describe('Data folder: database, models, downloads'),
    budget: byteSize({ minBytes: 16 * 2 ** 20 })
      .prefault('8GiB')
      .describe(
        'Disk space for the data folder: database, backups, models, logs; the oldest raw waveforms go first, events last',
      ),
    keep: z
      .strictObject({
        waveforms: keep('1d', 'raw waveforms'),
        readings: keep('365d', 'readings'),
        features: keep('365d', 'features and scores'),
        minutes: keep('365d', 'aggregates of readings by minute'),
        hours: keep('3650d', 'aggregates of readings by hour'),
        days: keep('3650d', 'aggregates of readings by day'),
        events: keep('3650d', 'events'),
      })
      .prefault({})
      .describe('Retention for each kind; the budget may shorten it'),
    check: z
      .strictObject({
        schedule: cronExpression()
          .default('17 3 * * *')
          .describe('When the whole database is checked, as a cron expression in local time'),
      })
      .prefault({})
      .describe('The search for damage; a part of it runs at each start'),
  })
  .describe('The store');

export type StorageConfig = z.infer<typeof storageConfigSchema>;
