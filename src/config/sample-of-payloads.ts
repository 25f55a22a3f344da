/** How a config refers to the environment. */
const fromEnvironment = (name: string) => `\${${name}}`;

/** Subscriptions with the payload kinds that the other samples leave out: the reference takes its examples from them. */
export const SAMPLE_OF_PAYLOADS = [
  {
    filter: 'hall/{machine}/state',
    point: '{machine}.motor.{channel}',
    payload: {
      kind: 'json',
      time: { path: '$.ts', unit: 's' },
      values: [
        {
          channel: 'temperature',
          path: '$.motor.temperature',
          unit: 'degC',
          range: [-40, 200],
          sentinel: -999,
        },
      ],
    },
  },
  {
    filter: 'hall/{machine}/vibration',
    point: '{machine}.acceleration',
    silence: '5min',
    payload: {
      kind: 'json',
      value: '$.samples',
      encoding: 'int16le',
      sampleRatePath: '$.rate',
      sequencePath: '$.number',
      unit: 'g',
    },
  },
  {
    filter: 'hall/{machine}/cbor',
    point: '{machine}.bearing-de.{channel}',
    payload: {
      kind: 'cbor',
      time: { path: '$.ts', unit: 's' },
      values: [
        { channel: 'temperature', path: '$.t', unit: 'degC', range: [-40, 200], sentinel: -999 },
        { channel: 'humidity', path: '$.h', unit: '%' },
      ],
    },
  },
  {
    filter: 'hall/{machine}/wave',
    point: '{machine}.bearing-nde.acceleration',
    payload: {
      kind: 'cbor',
      value: '$.samples',
      encoding: 'int16le',
      sampleRatePath: '$.rate',
      sequencePath: '$.number',
      unit: 'g',
      range: [-50, 50],
      sentinel: -999,
    },
  },
  {
    filter: 'hall/{machine}/velocity',
    point: '{machine}.bearing-nde.velocity',
    payload: { kind: 'cbor', value: '$.samples', sampleRateHz: 1000, unit: 'mm/s' },
  },
  {
    filter: 'telegraf/#',
    point: '{machine}.{channel}',
    payload: {
      kind: 'line-protocol',
      tags: ['machine'],
      values: [
        {
          channel: 'temperature',
          field: 'value',
          measurement: 'temp',
          unit: 'degC',
          range: [-40, 200],
          sentinel: -999,
        },
      ],
    },
  },
  {
    filter: 'hall/{machine}/wav',
    point: '{machine}.{channel}.sound-level',
    payload: { kind: 'wav', unit: 'Pa', fullScale: 20, channels: ['left', 'right'] },
  },
];

export const SAMPLE_OF_SPARKPLUG = {
  id: 'plant-sparkplug',
  type: 'sparkplug',
  broker: {
    url: 'mqtts://broker.example:8883',
    version: 5,
    clientId: 'gw-08-sparkplug',
    username: 'gw-08',
    password: fromEnvironment('MQTT_PASSWORD'),
    tls: { ca: '/etc/sm-edge/ca.pem', cert: '/etc/sm-edge/gw.pem', key: '/etc/sm-edge/gw.key' },
  },
  groups: ['plant-3'],
  metrics: [
    {
      metric: 'Motor/Temperature',
      device: 'pump-1',
      point: '{device}.motor.temperature',
      unit: 'degC',
      range: [-40, 200],
      sentinel: -999,
    },
    {
      metric: 'Bearing/{position}/Vibration',
      point: '{device}.{position}.acceleration',
      sampleRateHz: 12_800,
      unit: 'g',
    },
  ],
};
