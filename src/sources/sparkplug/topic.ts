/** Topics of Sparkplug B (Eclipse Sparkplug 3.0.0, chapter 4): `spBv1.0/group/type/node[/device]`. */

export const NAMESPACE = 'spBv1.0';

const TYPES = ['NBIRTH', 'NDEATH', 'NDATA', 'DBIRTH', 'DDEATH', 'DDATA'] as const;
/** Messages of edge nodes to hosts; commands go the other way. */
export type SparkplugType = (typeof TYPES)[number];

export interface SparkplugTopic {
  readonly type: SparkplugType;
  readonly group: string;
  readonly node: string;
  /** Present in the messages of devices, which begin with D. */
  readonly device: string | undefined;
}

/** Undefined where the topic is none of an edge node's: a command, a STATE, another namespace. */
export function sparkplugTopic(topic: string): SparkplugTopic | undefined {
  const [namespace, group, type, node, device, ...rest] = topic.split('/');
  if (namespace !== NAMESPACE || group === undefined || node === undefined || rest.length > 0)
    return undefined;
  const known = TYPES.find((one) => one === type);
  if (known === undefined || known.startsWith('D') !== (device !== undefined)) return undefined;
  return { type: known, group, node, device };
}

export const stateTopic = (hostId: string): string => `${NAMESPACE}/STATE/${hostId}`;

export const nodeCommandTopic = (group: string, node: string): string => `${NAMESPACE}/${group}/NCMD/${node}`;
