import protobuf from 'protobufjs/light.js';

/**
 * The Sparkplug B payload (Eclipse Sparkplug 3.0.0, chapter 6): the field numbers and types of the specification,
 * less what no measured value comes in (DataSet, template parameters, metadata), which is skipped as unknown. Without
 * the edition JSON definitions are taken as proto3, where a value of 0 counts as not sent.
 */
const DEFINITION = {
  nested: {
    Payload: {
      edition: 'proto2',
      fields: {
        timestamp: { id: 1, type: 'uint64' },
        metrics: { id: 2, type: 'Metric', rule: 'repeated' },
        seq: { id: 3, type: 'uint64' },
      },
    },
    Metric: {
      edition: 'proto2',
      fields: {
        name: { id: 1, type: 'string' },
        alias: { id: 2, type: 'uint64' },
        timestamp: { id: 3, type: 'uint64' },
        datatype: { id: 4, type: 'uint32' },
        isHistorical: { id: 5, type: 'bool' },
        isTransient: { id: 6, type: 'bool' },
        isNull: { id: 7, type: 'bool' },
        properties: { id: 9, type: 'PropertySet' },
        intValue: { id: 10, type: 'uint32' },
        longValue: { id: 11, type: 'uint64' },
        floatValue: { id: 12, type: 'float' },
        doubleValue: { id: 13, type: 'double' },
        booleanValue: { id: 14, type: 'bool' },
        stringValue: { id: 15, type: 'string' },
        bytesValue: { id: 16, type: 'bytes' },
        templateValue: { id: 18, type: 'Template' },
      },
    },
    Template: {
      edition: 'proto2',
      fields: {
        metrics: { id: 2, type: 'Metric', rule: 'repeated' },
        isDefinition: { id: 5, type: 'bool' },
      },
    },
    PropertySet: {
      edition: 'proto2',
      fields: {
        keys: { id: 1, type: 'string', rule: 'repeated' },
        values: { id: 2, type: 'PropertyValue', rule: 'repeated' },
      },
    },
    PropertyValue: {
      edition: 'proto2',
      fields: {
        type: { id: 1, type: 'uint32' },
        isNull: { id: 2, type: 'bool' },
        intValue: { id: 3, type: 'uint32' },
        longValue: { id: 4, type: 'uint64' },
        floatValue: { id: 5, type: 'float' },
        doubleValue: { id: 6, type: 'double' },
        booleanValue: { id: 7, type: 'bool' },
        stringValue: { id: 8, type: 'string' },
      },
    },
  },
};

/** A 64-bit integer as protobufjs gives it. */
export type Integer64 = number | { toNumber(): number; readonly unsigned: boolean; toString(): string };

/** Keys that were not sent are not own properties: their defaults stand on the prototype. */
export interface WireValue {
  readonly intValue: number;
  readonly longValue: Integer64;
  readonly floatValue: number;
  readonly doubleValue: number;
  readonly booleanValue: boolean;
  readonly stringValue: string;
  readonly bytesValue: Uint8Array;
}

export interface WireProperty extends WireValue {
  readonly isNull: boolean;
  readonly type: number;
}

export interface WireMetric extends WireValue {
  readonly name: string;
  readonly alias: Integer64;
  readonly timestamp: Integer64;
  readonly datatype: number;
  readonly isHistorical: boolean;
  readonly isNull: boolean;
  readonly properties: { readonly keys: readonly string[]; readonly values: readonly WireProperty[] } | null;
  readonly templateValue: { readonly metrics: readonly WireMetric[]; readonly isDefinition: boolean } | null;
}

export interface WirePayload {
  readonly timestamp: Integer64;
  readonly seq: Integer64;
  readonly metrics: readonly WireMetric[];
}

const PAYLOAD = protobuf.Root.fromJSON(DEFINITION).lookupType('Payload');

/** @throws where the bytes are no such message */
export const decodeWire = (bytes: Uint8Array): WirePayload => PAYLOAD.decode(bytes) as unknown as WirePayload;

/** Writes what is given; keys that are missing are not sent. */
export const encodeWire = (payload: object): Buffer =>
  Buffer.from(PAYLOAD.encode(PAYLOAD.fromObject(payload)).finish());

/** Whether a key was sent. */
export const has = (message: object, key: string): boolean => Object.hasOwn(message, key);

export const toNumber = (value: Integer64): number => (typeof value === 'number' ? value : value.toNumber());
