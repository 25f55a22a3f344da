/** What config/gateway.yaml shows: a plausible gateway with one of everything. The comments come from the schemas. */
export const SAMPLE = {
  gateway: { id: 'gw-07', site: 'plant-3' },
  log: { level: 'info' },
  storage: {
    path: '/var/lib/sm-edge',
    budget: '8GiB',
    keep: { waveforms: '1d', readings: '365d', features: '365d', events: '3650d' },
  },
  http: { listen: '127.0.0.1:8080' },
  analysis: { ring: '10s' },
  sources: [
    {
      id: 'hall-bus',
      type: 'modbus',
      connection: { transport: 'tcp', host: '10.0.0.7', port: 502 },
      units: [
        {
          unitId: 3,
          interval: '1s',
          points: [
            {
              point: 'pump-1.bearing-de.temperature',
              register: 'input',
              address: 16,
              type: 'int16',
              scale: 0.1,
              unit: 'degC',
              sentinel: -32768,
              range: [-40, 150],
            },
          ],
        },
      ],
    },
    {
      id: 'vibration-line',
      type: 'serial',
      url: 'tcp://10.0.0.8:4001',
      framing: {
        kind: 'sync',
        sync: 'A55A',
        length: { type: 'uint16le' },
        check: { name: 'crc16-ccitt-false' },
      },
      messages: [
        {
          point: 'pump-1.bearing-de.acceleration',
          payload: {
            kind: 'waveform',
            encoding: 'int16le',
            sampleRateHz: 25600,
            unit: 'g',
            fullScale: 25,
            header: { bytes: 2, sequence: { offset: 0, type: 'uint16le' } },
          },
        },
      ],
    },
    {
      id: 'plant-mqtt',
      type: 'mqtt',
      broker: { url: 'mqtt://127.0.0.1:1883', version: 5 },
      subscriptions: [
        {
          filter: 'plant/{machine}/{position}/vibration',
          qos: 1,
          point: '{machine}.{position}.acceleration',
          payload: { kind: 'waveform', encoding: 'float32le', sampleRateHz: 25600, unit: 'g' },
        },
        {
          filter: 'plant/{machine}/temperature',
          point: '{machine}.temperature',
          payload: { kind: 'json', value: '$.value', time: { path: '$.ts', unit: 'ms' }, unit: 'degC' },
        },
      ],
    },
  ],
  machines: [
    {
      id: 'pump-1',
      class: 'pump',
      nameplate: { speedRpm: 1780, powerKw: 37, mounting: 'rigid', bearings: { 'bearing-de': '6205' } },
    },
  ],
  alarms: [
    {
      id: 'de-hot',
      point: 'pump-1.bearing-de.temperature',
      above: 85,
      deadband: 3,
      onDelay: '10s',
      priority: 'high',
      text: 'The drive-end bearing runs hot',
      action: 'Look at its lubrication; stop the pump above 100 degC',
    },
  ],
  models: { default: 'builtin' },
  sync: {
    mlflow: {
      trackingUri: 'http://mlflow.example:5000',
      experiment: 'plant-3',
      interval: '1min',
      models: [
        { name: 'pump-vibration', alias: 'champion', for: { class: 'pump', quantity: 'acceleration' } },
      ],
    },
  },
};

/** What else may stand at a place of the sample; config/gateway.yaml shows it in a comment. */
export const SAMPLE_ALTERNATIVES: readonly {
  readonly at: readonly (string | number)[];
  readonly value: unknown;
}[] = [
  {
    at: ['sources', 0, 'connection'],
    value: { transport: 'rtu', path: '/dev/serial/by-id/usb-adapter', baudRate: 19200, parity: 'even' },
  },
  { at: ['sources', 2, 'broker'], value: 'embedded' },
];
