import { SAMPLE_OF_PAYLOADS, SAMPLE_OF_SPARKPLUG } from './sample-of-payloads.js';

/** How a config refers to the environment. */
const fromEnvironment = (name: string) => `\${${name}}`;

/** A second config, with what the sample leaves out: the reference takes its examples from both. */
export const SAMPLE_OF_THE_REST = {
  gateway: { id: 'gw-08', site: 'plant-3' },
  storage: { path: '/var/lib/sm-edge' },
  analysis: {
    capture: { before: '5s', after: '2s' },
    points: [{ point: 'motor-2.*.acceleration', window: 'flat-top', highPassHz: 2, overlap: 0.5 }],
    trends: [{ point: '*.temperature', window: '6h', season: '1d', publish: true }],
  },
  alarms: [
    {
      id: 'bearings-hot',
      point: '*.bearing-*.temperature',
      machineClass: 'pump',
      outside: [5, 85],
      deadband: 3,
      class: 'bearings',
    },
    {
      id: 'warming-fast',
      point: 'pump-1.motor.temperature',
      change: { by: 5, within: '10min', direction: 'up' },
      countsWhile: { point: '{machine}.motor.speed', above: 100 },
    },
    { id: 'zone-c', point: '*.acceleration', zone: 'C', latching: true, priority: 'high' },
    {
      id: 'shaking',
      point: 'pump-1.*.acceleration',
      feature: 'velocityRmsMmPerS',
      above: 4.5,
      onDelay: '1min',
    },
    { id: 'silent', point: 'pump-1.bearing-de.temperature', missing: '5min' },
    {
      id: 'hot-at-full-speed',
      point: 'motor-2.bearing-de.temperature',
      above: 80,
      countsWhile: { state: ['full-speed/loaded', 'full-speed/idling'] },
    },
    { id: 'tank-empty', point: 'tank-1.level', below: 0.2, deadband: 0.05 },
    { id: 'odd', point: 'fan-*', anomaly: true, offDelay: '1min' },
    { id: 'very-odd', point: 'fan-*', scoreAbove: 5, priority: 'critical' },
    { id: 'low-pressure', point: 'pump-*.pressure', below: 1.2 },
    { id: 'unusual', point: 'motor-2.*', anomaly: true },
    { id: 'bearing-damage', point: '*.acceleration', diagnosis: ['outer', 'inner', 'ball'] },
  ],
  sources: [
    {
      id: 'posted',
      type: 'http',
      points: ['oven-*', 'pump-1.*'],
      quality: [{ points: ['*.temperature'], constant: '1h' }],
      overload: { policy: 'discard-oldest', points: [{ points: ['*.energy'], policy: 'discard-newest' }] },
    },
    {
      id: 'microphone',
      type: 'audio',
      device: 'plughw:CARD=USB,DEV=0',
      channels: ['left', 'right'],
      point: 'fan-1.{channel}.sound-pressure',
      unit: 'Pa',
      fullScale: 20,
    },
    {
      id: 'raw-microphone',
      type: 'serial',
      url: 'tcp://10.0.0.12:4001',
      framing: { kind: 'fixed', bytes: 3200 },
      messages: [
        {
          point: 'fan-3.inlet.sound-pressure',
          payload: { kind: 'waveform', encoding: 'int16le', sampleRateHz: 16000, unit: 'Pa', fullScale: 20 },
        },
      ],
    },
    {
      id: 'recordings',
      type: 'folder',
      path: '/srv/recordings',
      files: [
        {
          kind: 'wav',
          match: '{machine}_{position}_{time}.wav',
          point: '{machine}.{position}.acceleration',
          unit: 'g',
          fullScale: 16,
        },
        {
          kind: 'table',
          match: 'oven-*.csv',
          separator: ';',
          time: { column: 'Time', format: 'yyyy-MM-dd HH:mm:ss' },
          points: [{ column: 'T1', point: 'oven-1.temperature', unit: 'degC' }],
        },
        {
          kind: 'payload',
          match: '{machine}-*.json',
          point: '{machine}.current',
          payload: { kind: 'json', value: '$.amps', unit: 'A' },
        },
      ],
    },
    {
      id: 'motor-bus',
      type: 'modbus',
      connection: { transport: 'rtu', path: '/dev/serial/by-id/usb-adapter', silence: '4ms' },
      units: [
        {
          unitId: 17,
          points: [
            {
              point: 'motor-2.winding.temperature',
              register: 'holding',
              address: 100,
              type: 'float32',
              order: 'CDAB',
              deadband: 0.5,
              unit: 'degC',
            },
            { point: 'motor-2.fan.running', register: 'holding', address: 4, type: 'bit', bit: 3 },
            {
              point: 'motor-2.speed.setpoint',
              register: 'holding',
              address: 8,
              unit: 'rpm',
              writable: { range: [600, 1500] },
            },
          ],
          waveforms: [
            {
              point: 'motor-2.bearing-de.acceleration',
              trigger: { address: 200 },
              ready: { address: 201 },
              done: { address: 203 },
              address: 1000,
              samples: 4096,
              page: { address: 202, registers: 100 },
              sampleRateHz: 6400,
              unit: 'g',
              calibration: { adcRange: 5, gain: 10, sensitivity: 100 },
            },
          ],
          fifos: [
            {
              point: 'motor-2.torque',
              address: 300,
              clear: { address: 301 },
              sampleRateHz: 200,
              unit: 'Nm',
            },
          ],
        },
      ],
    },
    {
      id: 'cabinet-2',
      type: 'modbus',
      connection: { transport: 'rtu-over-tcp', host: '10.0.0.9', port: 4001, silence: '10ms' },
      units: [
        {
          unitId: 1,
          points: [{ point: 'cabinet-2.temperature', register: 'input', address: 0, unit: 'degC' }],
        },
      ],
    },
    {
      id: 'hall-scale',
      type: 'serial',
      path: '/dev/serial/by-id/usb-scale',
      framing: { kind: 'line' },
      messages: [
        {
          point: 'scale.{channel}',
          payload: {
            kind: 'pattern',
            pattern: '^T=(?<temp>[-+.0-9]+)$',
            values: [
              { channel: 'temperature', group: 'temp', unit: 'degC', range: [-40, 150], sentinel: -999 },
            ],
          },
        },
      ],
    },
    {
      id: 'meter-line',
      type: 'serial',
      path: '/dev/serial/by-id/usb-meter',
      framing: { kind: 'sync', sync: 'AA55', bytes: 8 },
      messages: [
        {
          match: { offset: 0, hex: '01' },
          point: 'meter.{channel}',
          payload: {
            kind: 'fields',
            bytes: 8,
            values: [
              {
                channel: 'current',
                at: 2,
                type: 'int16le',
                scale: 0.1,
                unit: 'A',
                range: [0, 400],
                sentinel: -32768,
              },
            ],
          },
        },
      ],
    },
    {
      id: 'own-broker',
      type: 'mqtt',
      broker: {
        embedded: {
          listen: '0.0.0.0:1883',
          tls: { cert: '/etc/sm-edge/broker.pem', key: '/etc/sm-edge/broker.key', ca: '/etc/sm-edge/ca.pem' },
          users: [
            {
              username: 'node-1',
              password: fromEnvironment('NODE_1_PASSWORD'),
              publish: ['hall/{username}/#'],
              subscribe: ['commands/{username}'],
            },
            {
              username: 'node-2',
              passwordHash:
                '$7$101$h22BlfSmMm+1ObNV$Uh9bzGIDt8HLShVuA8GpiAmfo7WpYuIYdbVOtMhuy9+otncUq8jtr0rE+WdaXNpjav9fOOtf1TOnjBvPXBPKwQ==',
            },
          ],
        },
      },
      subscriptions: [
        {
          filter: 'hall/{machine}/csv',
          point: '{machine}.temperature',
          payload: {
            kind: 'csv',
            value: 2,
            time: { column: 1 },
            unit: 'degC',
            range: [-40, 150],
            sentinel: -999,
          },
        },
        {
          filter: 'hall/{machine}/pressure',
          point: '{machine}.pressure',
          payload: { kind: 'number', unit: 'bar', range: [0, 40], sentinel: -1 },
        },
        {
          filter: 'hall/{machine}/sound',
          point: '{machine}.{channel}.sound-pressure',
          payload: {
            kind: 'waveform',
            encoding: 'int16le',
            unit: 'Pa',
            scale: 0.001,
            samples: 1024,
            channels: ['left', 'right'],
            header: {
              bytes: 20,
              startTime: { offset: 0, type: 'uint64le', unit: 'us' },
              sampleRateHz: { offset: 8, type: 'uint32le' },
              samples: { offset: 12, type: 'uint32le' },
              sequence: { offset: 16, type: 'uint32le' },
            },
          },
        },
      ],
    },
    {
      id: 'secured-mqtt',
      type: 'mqtt',
      broker: {
        url: 'mqtts://broker.example:8883',
        version: 5,
        clientId: 'gw-08-hall',
        username: 'gw-08',
        password: fromEnvironment('MQTT_PASSWORD'),
        tls: { ca: '/etc/sm-edge/ca.pem', cert: '/etc/sm-edge/gw.pem', key: '/etc/sm-edge/gw.key' },
      },
      subscriptions: [
        {
          filter: 'hall/{machine}/profile',
          point: '{machine}.velocity',
          payload: {
            kind: 'json',
            value: '$.samples',
            sampleRateHz: 1000,
            unit: 'mm/s',
            range: [-50, 50],
            sentinel: -999,
          },
        },
        ...SAMPLE_OF_PAYLOADS,
      ],
    },
    SAMPLE_OF_SPARKPLUG,
  ],
  machines: [
    {
      id: 'motor-2',
      class: 'motor',
      nameplate: {
        speedRpm: 1485,
        powerKw: 90,
        mounting: 'flexible',
        bearings: {
          'bearing-de': {
            designation: '6205',
            balls: 9,
            ballDiameterMm: 7.94,
            pitchDiameterMm: 39.04,
            contactAngleDeg: 0,
          },
        },
      },
      tags: ['critical', 'line-2'],
      sensors: {
        'bearing-de': { type: 'piezo', tags: ['radial'] },
        'bearing-de.temperature': { type: 'pt100' },
      },
      states: {
        point: '{machine}.shaft.speed',
        unit: 'rpm',
        stoppedBelow: 30,
        bins: [
          { name: 'slow', from: 600, to: 1000 },
          { name: 'full-speed', from: 1400, to: 1520 },
        ],
        change: { by: 60, within: '2s' },
        load: {
          point: '{machine}.motor.power',
          bins: [
            { name: 'idling', to: 20 },
            { name: 'loaded', from: 20 },
          ],
          change: { by: 15, within: '5s' },
        },
      },
    },
  ],
  models: {
    points: { 'motor-2.bearing-de.acceleration': 'motor-vibration/3' },
    rules: [
      { model: 'motor-vibration', for: { class: 'motor', quantity: 'acceleration', point: 'motor-2.*' } },
      {
        model: ['motor-vibration', 'builtin'],
        combine: 'weighted',
        for: { sensor: 'piezo', tags: ['critical'] },
      },
    ],
  },
  sync: {
    mlflow: {
      trackingUri: 'https://mlflow.example',
      auth: { token: fromEnvironment('MLFLOW_TOKEN') },
      tls: { ca: '/etc/sm-edge/ca.pem' },
      models: [{ name: 'motor-vibration', for: { point: 'motor-2.bearing-de.acceleration' } }],
    },
    sparkplug: {
      broker: { url: 'mqtts://scada.example:8883', tls: { ca: '/etc/sm-edge/plant-ca.pem' } },
      group: 'plant-3',
      points: ['pump-*', 'motor-2.*'],
      primaryHost: 'scada',
    },
  },
};
