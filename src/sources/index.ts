import { z } from 'zod';
import { audioPart } from './audio/index.js';
import { folderPart } from './folder/index.js';
import { httpPart } from './http/index.js';
import { modbusPart } from './modbus/index.js';
import { mqttPart } from './mqtt/index.js';
import type { Source, SourceDeps, SourcePart } from './part.js';
import { serialPart } from './serial/index.js';
import { sparkplugPart } from './sparkplug/index.js';

/** Every kind of source: one folder and one line here. */
export const sourceParts = [
  modbusPart,
  mqttPart,
  sparkplugPart,
  serialPart,
  httpPart,
  folderPart,
  audioPart,
] as const;

type ConfigOf<P> = P extends SourcePart<infer C> ? C : never;

/** One entry of `sources:`, told apart by its `type`. */
export type SourceConfig = ConfigOf<(typeof sourceParts)[number]>;

type Discriminable = z.ZodType<SourceConfig> & z.core.$ZodTypeDiscriminable;

export const sourceConfigSchema: z.ZodType<SourceConfig> = z.discriminatedUnion(
  'type',
  sourceParts.map((part) => part.configSchema) as unknown as [Discriminable, ...Discriminable[]],
);

/** Do blocks of this source come about as fast as they were sampled? Not those of a folder of files. */
export const isPaced = (config: SourceConfig): boolean => partOf(config).paced !== false;

export const createSource = (config: SourceConfig, deps: SourceDeps): Promise<Source> =>
  partOf(config).create(config, deps);

const partOf = (config: SourceConfig): SourcePart<SourceConfig> =>
  sourceParts.find(({ type }) => type === config.type) as unknown as SourcePart<SourceConfig>;
