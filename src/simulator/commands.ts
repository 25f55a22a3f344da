import { formatDuration, parseDurationMs } from '../base/duration.js';
import { SmEdgeError } from '../base/errors.js';
import type { PlantControls } from './plant.js';
import { SENSOR_TROUBLES, WAVEFORMS, type WaveformPoint } from './sensor-troubles.js';
import { FRAME_TROUBLES, type FrameTrouble, type FrameTroubles } from './troubles.js';

export const COMMAND_HELP = `fault MACHINE KIND [SEVERITY] [over DURATION]   fault pump-1 outer 0.7 over 2min
repair MACHINE [KIND]                            as new
speed MACHINE RPM                                speed fan-1 1200
modbus silent [UNIT] | exception CODE [UNIT] | late DURATION | cut
rtu garbage|corrupt|lose|split|twice SHARE       rtu corrupt 0.1; rtu unplug; rtu plug
serial garbage|corrupt|lose|split|twice SHARE    serial off | on | cut | unplug | plug
mqtt silent | garbage SHARE | clock DURATION | cut
sensor POINT dead|clip|dropout|offset            sensor pump-1.bearing-de.acceleration clip
mend [modbus|rtu|serial|mqtt|sensors]            ends troubles of wires and sensors
in DURATION COMMAND                              in 30s fault gearbox-1 tooth
status | help`;

const usage = (message: string, hint: string) => new SmEdgeError('PLANT_COMMAND', message, { hint });

/** Runs one command on a plant. Resolves with the answer for the person who gave it. @throws SmEdgeError `PLANT_COMMAND` */
export async function command(controls: PlantControls, line: string): Promise<string> {
  const [verb = '', ...words] = line.trim().split(/\s+/);
  switch (verb) {
    case 'help':
    case '':
      return COMMAND_HELP;
    case 'status':
      return status(controls);
    case 'fault':
      return fault(controls, words);
    case 'repair':
      return repair(controls, words);
    case 'speed':
      return speed(controls, words);
    case 'modbus':
      return modbus(controls, words);
    case 'rtu':
    case 'serial':
      return wire(controls, verb, words);
    case 'mqtt':
      return mqtt(controls, words);
    case 'sensor':
      return sensor(controls, words);
    case 'mend':
      return mend(controls, words);
    default:
      throw usage(`there is no command "${verb}"`, 'help shows them');
  }
}

/** What is wrong with the plant now. */
export function status({ machines, ...controls }: PlantControls): string {
  const lines = [...machines.all].map(([name, { faults, timeS }]) => {
    const list = faults.list(timeS).map(({ kind, severity }) => `${kind} ${severity.toFixed(2)}`);
    return `${name}: ${list.join(', ') || 'sound'}`;
  });
  const { units, rtuFrames, serialFrames, mqttTroubles, sensors, serial } = controls;
  const parts: readonly (readonly [string, readonly string[]])[] = [
    ['modbus', units.list()],
    ['rtu', rtuFrames.list()],
    ['serial', [...serialFrames.list(), ...(serial.on ? [] : ['off'])]],
    ['mqtt', mqttTroubles.list()],
    ['sensors', sensors.list()],
  ];
  for (const [name, list] of parts) lines.push(`${name}: ${list.join(', ') || 'no trouble'}`);
  return lines.join('\n');
}

function machineOf({ machines }: PlantControls, name = '') {
  const machine = machines.all.get(name);
  if (machine === undefined)
    throw usage(`there is no machine "${name}"`, `there are ${[...machines.all.keys()].join(', ')}`);
  return machine;
}

function fault(controls: PlantControls, [name, kind = '', ...words]: string[]): string {
  const machine = machineOf(controls, name);
  const { faults } = machine;
  if (!faults.kinds.includes(kind))
    throw usage(`${name} has no fault "${kind}"`, `it has ${faults.kinds.join(', ')}`);
  const over = words.indexOf('over');
  const growthMs = over < 0 ? 0 : durationOf(words[over + 1]);
  const severity = over === 0 || words[0] === undefined ? 1 : shareOf(words[0]);
  faults.start(kind, { severity, fromS: machine.timeS, growthS: growthMs / 1000 });
  const growing = growthMs === 0 ? 'at once' : `growing over ${formatDuration(growthMs)}`;
  return `${name}: ${kind} ${severity}, ${growing}`;
}

function repair(controls: PlantControls, [name, kind]: string[]): string {
  machineOf(controls, name).faults.clear(kind);
  return `${name}: ${kind === undefined ? 'as new' : `no ${kind} any more`}`;
}

function speed(controls: PlantControls, [name, text]: string[]): string {
  const rpm = Number(text);
  if (!(rpm >= 0 && rpm <= 6000)) throw usage(`"${text ?? ''}" is no speed`, 'write 0 to 6000, in rpm');
  machineOf(controls, name).runAt(rpm);
  return `${name}: ${rpm} rpm within some seconds`;
}

function modbus({ units, modbus: servers }: PlantControls, [what, ...words]: string[]): string {
  const unitOf = (text: string | undefined) => (text === undefined ? 'all' : wholeOf(text, 247));
  switch (what) {
    case 'silent':
      units.silence(unitOf(words[0]));
      return `unit ${unitOf(words[0])} does not answer`;
    case 'exception': {
      const code = wholeOf(words[0] ?? '', 255);
      units.except(unitOf(words[1]), code);
      return `unit ${unitOf(words[1])} answers with exception ${code}`;
    }
    case 'late':
      units.lateMs = durationOf(words[0]);
      return `answers come ${formatDuration(units.lateMs)} late`;
    case 'cut':
      servers.cut();
      return 'all connections are broken off';
    default:
      throw usage(
        `modbus has no trouble "${what ?? ''}"`,
        'it has silent [UNIT], exception CODE [UNIT], late DURATION, cut',
      );
  }
}

async function wire(controls: PlantControls, name: 'rtu' | 'serial', words: string[]): Promise<string> {
  const [what = '', text] = words;
  const [frames, port]: readonly [FrameTroubles, PlantControls['rtuPort']] =
    name === 'rtu' ? [controls.rtuFrames, controls.rtuPort] : [controls.serialFrames, controls.serialPort];
  if (FRAME_TROUBLES.some((trouble) => trouble === what)) {
    const share = text === undefined ? 0.1 : shareOf(text);
    frames.set(what as FrameTrouble, share);
    return `${name}: ${what} hits ${Math.round(share * 1000) / 10} % of the frames`;
  }
  if (what === 'unplug' || what === 'plug') {
    if (port === undefined)
      throw usage(`${name} has no port`, 'start the plant with --rtu-path or --serial-path; cut breaks TCP');
    await port[what]();
    return `${port.path} is ${what === 'plug' ? 'there' : 'gone'}`;
  }
  if (name === 'serial' && (what === 'on' || what === 'off')) {
    controls.serial.on = what === 'on';
    return `the node is ${what}`;
  }
  if (what === 'cut') {
    if (name === 'serial') controls.serial.cut();
    else controls.modbus.cut();
    return 'all connections are broken off';
  }
  throw usage(
    `${name} has no trouble "${what}"`,
    `it has ${FRAME_TROUBLES.join(', ')} with a SHARE, cut, unplug, plug${name === 'serial' ? ', off, on' : ''}`,
  );
}

function mqtt({ mqttTroubles, mqtt: output }: PlantControls, [what, text]: string[]): string {
  if (output === undefined)
    throw usage('the plant has no MQTT sensors', 'start it with --mqtt mqtt://BROKER:1883');
  switch (what) {
    case 'silent':
      mqttTroubles.silent = true;
      return 'the MQTT sensors say nothing';
    case 'garbage':
      mqttTroubles.garbageShare = text === undefined ? 0.1 : shareOf(text);
      return `${Math.round(mqttTroubles.garbageShare * 100)} % of the payloads are garbage`;
    case 'clock':
      mqttTroubles.clockMs = text?.startsWith('-') ? -durationOf(text.slice(1)) : durationOf(text);
      return `the clocks of the sensors are off by ${mqttTroubles.clockMs} ms`;
    case 'cut':
      output.cut();
      return 'the connection is broken off';
    default:
      throw usage(`mqtt has no trouble "${what ?? ''}"`, 'it has silent, garbage SHARE, clock DURATION, cut');
  }
}

function sensor({ sensors }: PlantControls, [point = '', what = '']: string[]): string {
  if (!(point in WAVEFORMS))
    throw usage(`there is no waveform "${point}"`, `there are ${Object.keys(WAVEFORMS).join(', ')}`);
  const trouble = SENSOR_TROUBLES.find((one) => one === what);
  if (trouble === undefined)
    throw usage(`a sensor has no trouble "${what}"`, `it has ${SENSOR_TROUBLES.join(', ')}`);
  sensors.set(point as WaveformPoint, trouble);
  return `${point}: ${trouble}`;
}

function mend(controls: PlantControls, [what]: string[]): string {
  const parts: Readonly<Record<string, () => void>> = {
    modbus: () => controls.units.clear(),
    rtu: () => controls.rtuFrames.clear(),
    serial: () => {
      controls.serialFrames.clear();
      controls.serial.on = true;
    },
    mqtt: () => controls.mqttTroubles.clear(),
    sensors: () => controls.sensors.clear(),
  };
  if (what !== undefined && parts[what] === undefined)
    throw usage(`nothing is called "${what}"`, `it is one of ${Object.keys(parts).join(', ')}`);
  for (const [name, clear] of Object.entries(parts)) if (what === undefined || name === what) clear();
  return `${what ?? 'everything'} works again; repair MACHINE mends machines`;
}

export function durationOf(text: string | undefined): number {
  const ms = text === undefined ? undefined : parseDurationMs(text);
  if (ms === undefined) throw usage(`"${text ?? ''}" is no duration`, 'write 500ms, 30s or 2min');
  return ms;
}

function shareOf(text: string): number {
  const share = Number(text);
  if (!(share >= 0 && share <= 1)) throw usage(`"${text}" is no share`, 'write a number from 0 to 1');
  return share;
}

function wholeOf(text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > most)
    throw usage(`"${text}" is not a whole number up to ${most}`, 'help shows what belongs where');
  return value;
}
