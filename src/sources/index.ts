import { z } from 'zod';
import { modbusPart } from './modbus/index.js';
import { mqttPart } from './mqtt/index.js';
import type { Source, SourceDeps, SourcePart } from './part.js';
import { serialPart } from './serial/index.js';

/** Every kind of source: one folder and one line here. */
export const sourceParts = [modbusPart, mqttPart, serialPart] as const;

type ConfigOf<P> = P extends SourcePart<infer C> ? C : never;

/** One entry of `sources:`, told apart by its `type`. */
export type SourceConfig = ConfigOf<(typeof sourceParts)[number]>;

type Discriminable = z.ZodType<SourceConfig> & z.core.$ZodTypeDiscriminable;

export const sourceConfigSchema: z.ZodType<SourceConfig> = z.discriminatedUnion(
  'type',
  sourceParts.map((part) => part.configSchema) as unknown as [Discriminable, ...Discriminable[]],
);

export function createSource(config: SourceConfig, deps: SourceDeps): Promise<Source> {
  const part = sourceParts.find(({ type }) => type === config.type)!;
  return part.create(config as never, deps);
}
