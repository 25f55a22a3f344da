import { expect } from 'vitest';
import { ConfigError, type ConfigFault } from '#sm/config/faults.js';
import { parseConfig } from '#sm/config/load.js';

/** What every config needs; two lines. */
export const GOOD = `gateway: { id: gw-1 }
storage: { path: /tmp/x }
`;

/** The faults of a config. */
export function faultsOf(
  text: string,
  environment: Record<string, string> = {},
  file = 'gateway.yaml',
): readonly ConfigFault[] {
  try {
    parseConfig(file, text, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

/** The only fault of a config. */
export function faultOf(text: string, environment: Record<string, string> = {}): ConfigFault {
  const faults = faultsOf(text, environment);
  expect(faults).toHaveLength(1);
  return faults[0]!;
}

/** Stands in a case where its fault is to be found. */
const MARK = '<<';

/** A config with a mark at the place of its only fault; key, and parts of message and hint. */
export type FaultCase = readonly [what: string, marked: string, key: string, message: string, hint: string];

export function expectFault([, marked, key, message, hint]: FaultCase): void {
  const before = marked.slice(0, marked.indexOf(MARK)).split('\n');
  expect(faultOf(marked.replace(MARK, ''))).toEqual({
    file: 'gateway.yaml',
    line: before.length,
    column: before[before.length - 1]!.length + 1,
    key,
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
}

/** A Modbus source. */
export const modbus = (connection: string, unit = 'unitId: 3') => `${GOOD}sources:
  - id: bus
    type: modbus
    connection: { ${connection} }
    units:
      - ${unit}
        points: [ { point: a.temperature, register: input, address: 1 } ]
`;
export const TCP = 'transport: tcp, host: 10.0.0.7';

export const mqtt = (broker: string, payload = '{ kind: number, unit: degC }') => `${GOOD}sources:
  - id: bus
    type: mqtt
    broker: ${broker}
    subscriptions:
      - filter: a/b
        point: a.b
        payload: ${payload}
`;

export const nameplate = (keys: string) => `${GOOD}machines: [ { id: a, nameplate: { ${keys} } } ]\n`;

export const mlflow = (keys: string) =>
  `${GOOD}sync: { mlflow: { trackingUri: "http://m:5000", ${keys} } }\n`;
