import { FAN_SPEED_RPM } from './fan.js';
import { GEARBOX_SPEED_RPM, PINION_TEETH } from './gearbox.js';
import {
  FAN_UNIT_ID,
  GEARBOX_UNIT_ID,
  NOT_MEASURED,
  PLANT_REGISTERS,
  PUMP_UNIT_ID,
} from './modbus-output.js';
import { WAVEFORM_HEADER_BYTES } from './mqtt-output.js';
import type { PlantEndpoints } from './plant.js';
import { SOUND_SAMPLE_RATE_HZ, VIBRATION_SAMPLE_RATE_HZ } from './plant-block.js';
import { PUMP_BEARING, PUMP_SPEED_RPM } from './pump.js';
import { FRAME_CRC } from './serial/frame.js';
import { SERIAL_FULL_SCALE_G } from './serial-output.js';

const waveform = (sampleRateHz: number, unit: string) => ({
  kind: 'waveform',
  encoding: 'float32le',
  sampleRateHz,
  unit,
  header: {
    bytes: WAVEFORM_HEADER_BYTES,
    sequence: { offset: 0, type: 'uint32le' },
    samples: { offset: 4, type: 'uint32le' },
    startTime: { offset: 8, type: 'uint64le', unit: 'us' },
  },
});

/** The broker that the plant publishes to: one in the gateway, or one that is there. */
function mqttSource(url: string, embedded: boolean) {
  const { hostname, port } = new URL(url);
  return {
    id: 'plant-mqtt',
    type: 'mqtt',
    broker: embedded ? { embedded: { listen: `${hostname}:${port}` } } : { url },
    subscriptions: [
      {
        filter: 'plant/{machine}/{position}/vibration',
        point: '{machine}.{position}.acceleration',
        payload: waveform(VIBRATION_SAMPLE_RATE_HZ, 'g'),
      },
      {
        filter: 'plant/{machine}/{position}/sound',
        point: '{machine}.{position}.sound-pressure',
        payload: waveform(SOUND_SAMPLE_RATE_HZ, 'Pa'),
      },
      {
        filter: 'plant/{machine}/{position}/temperature',
        point: '{machine}.{position}.temperature',
        payload: { kind: 'json', value: '$.value', time: { path: '$.ts', unit: 'ms' }, unit: 'degC' },
      },
    ],
  };
}

/** The plant's transmitters: over TCP, or on the RTU line where that has a port. */
function modbusSource({ modbus, rtu, gearbox }: PlantEndpoints) {
  const unit = (unitId: number) => ({
    unitId,
    interval: '1s',
    points: PLANT_REGISTERS.filter((register) => register.unitId === unitId).map(
      ({ point, address, type, scale, unit }) => ({
        point,
        register: 'input',
        address,
        type,
        scale,
        unit,
        sentinel: type === 'int16' ? NOT_MEASURED - 0x1_0000 : NOT_MEASURED,
      }),
    ),
  });
  return {
    id: 'plant-bus',
    type: 'modbus',
    connection:
      rtu.path === undefined
        ? { transport: 'tcp', host: modbus.host, port: modbus.port }
        : { transport: 'rtu', path: rtu.path, baudRate: 19_200, parity: 'none' },
    units: [unit(PUMP_UNIT_ID), unit(FAN_UNIT_ID), ...(gearbox ? [unit(GEARBOX_UNIT_ID)] : [])],
  };
}

/** The vibration node on its serial line, by way of the device server where it has no port. */
function serialSource({ host, port, path }: PlantEndpoints['serial']) {
  return {
    id: 'plant-line',
    type: 'serial',
    ...(path === undefined ? { url: `tcp://${host}:${port}` } : { path, baudRate: 921_600 }),
    framing: { kind: 'sync', sync: 'A55A', length: { type: 'uint16le' }, check: { name: FRAME_CRC } },
    messages: [
      {
        point: 'pump-1.bearing-de.acceleration',
        payload: {
          kind: 'waveform',
          encoding: 'int16le',
          sampleRateHz: VIBRATION_SAMPLE_RATE_HZ,
          unit: 'g',
          fullScale: SERIAL_FULL_SCALE_G,
          header: { bytes: 2, sequence: { offset: 0, type: 'uint16le' } },
        },
      },
    ],
  };
}

/**
 * The configuration of a gateway that listens to the virtual plant: what gateway.yaml would say. Its broker is in the
 * gateway, unless there is one.
 */
export function demoConfig(
  endpoints: PlantEndpoints,
  dataDir: string,
  embeddedBroker = true,
): Record<string, unknown> {
  const { serial, mqtt, gearbox } = endpoints;
  return {
    gateway: { id: 'demo-gateway', site: 'virtual-plant' },
    storage: { path: dataDir },
    sources: [
      modbusSource(endpoints),
      serialSource(serial),
      ...(mqtt === undefined ? [] : [mqttSource(mqtt.url, embeddedBroker)]),
    ],
    machines: [
      {
        id: 'pump-1',
        class: 'pump',
        nameplate: {
          speedRpm: PUMP_SPEED_RPM,
          powerKw: 37,
          mounting: 'rigid',
          bearings: { 'bearing-de': PUMP_BEARING, 'bearing-nde': PUMP_BEARING },
        },
      },
      {
        id: 'fan-1',
        class: 'fan',
        nameplate: { speedRpm: FAN_SPEED_RPM, powerKw: 11, mounting: 'flexible' },
      },
      ...(gearbox
        ? [
            {
              id: 'gearbox-1',
              class: 'gearbox',
              nameplate: { speedRpm: GEARBOX_SPEED_RPM, gears: { 'input-shaft': PINION_TEETH } },
            },
          ]
        : []),
    ],
    alarms: [
      {
        id: 'pump-1-vibration',
        point: 'pump-1.*.acceleration',
        anomaly: true,
        deadband: 0.2,
        onDelay: '5s',
        offDelay: '30s',
        priority: 'high',
        action: 'Plan its change',
      },
      {
        id: 'pump-1-bearing-hot',
        point: 'pump-1.bearing-de.temperature',
        above: 70,
        deadband: 3,
        onDelay: '10s',
        priority: 'high',
      },
    ],
  };
}
