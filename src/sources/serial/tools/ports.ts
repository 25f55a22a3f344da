import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A process that has a port open. */
export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

export interface SerialPortInfo {
  /** Such as /dev/ttyUSB0: changes when adapters are plugged in another order. */
  readonly path: string;
  /** Names that stay: by the adapter's serial number, and by the socket that it is plugged into. */
  readonly byId: readonly string[];
  readonly byPath: readonly string[];
  readonly driver: string;
  /** What the adapter says of itself, where it is a USB one. */
  readonly product: string;
  /** May this user open it? */
  readonly permitted: boolean;
  readonly holders: readonly PortHolder[];
}

export interface PortScan {
  readonly ports: readonly SerialPortInfo[];
  /** Processes of other users whose open files could not be looked at. */
  readonly hiddenProcesses: number;
}

/** Where the kernel shows its devices; others in tests. */
export interface SystemFolders {
  readonly dev: string;
  readonly sys: string;
  readonly proc: string;
}

const SYSTEM: SystemFolders = { dev: '/dev', sys: '/sys', proc: '/proc' };

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};
const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
};
const resolved = (path: string): string | undefined => {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
};

/** The serial ports of this machine, who holds them, and the names under which they are found again. */
export function scanPorts({ dev, sys, proc }: SystemFolders = SYSTEM): PortScan {
  const names = list(join(sys, 'class/tty')).filter((name) => isPort(join(sys, 'class/tty', name)));
  const paths = names.map((name) => join(dev, name)).filter((path) => existsSync(path));
  const { holders, hidden } = holdersOf(paths, proc);
  const links = (kind: string, path: string) =>
    list(join(dev, 'serial', kind))
      .map((name) => join(dev, 'serial', kind, name))
      .filter((link) => resolved(link) === resolved(path))
      .sort();
  const ports = paths.sort().map((path): SerialPortInfo => {
    const device = join(sys, 'class/tty', basename(path), 'device');
    return {
      path,
      byId: links('by-id', path),
      byPath: links('by-path', path),
      driver: basename(resolved(join(device, 'driver')) ?? ''),
      product: productOf(resolved(device), sys),
      permitted: isPermitted(path),
      holders: holders.get(path) ?? [],
    };
  });
  return { ports, hiddenProcesses: hidden };
}

/** Consoles have no device; of the four ports of the chip that every kernel knows, those that are not there have type 0. */
function isPort(folder: string): boolean {
  return existsSync(join(folder, 'device')) && read(join(folder, 'type')) !== '0';
}

function isPermitted(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A USB device stands some folders above its port. */
function productOf(device: string | undefined, sys: string): string {
  for (let folder = device; folder !== undefined && folder.length > sys.length; folder = dirname(folder)) {
    const product = read(join(folder, 'product'));
    if (product !== '')
      return [read(join(folder, 'manufacturer')), product].filter((one) => one !== '').join(' ');
  }
  return '';
}

function holdersOf(
  paths: readonly string[],
  proc: string,
): { holders: Map<string, PortHolder[]>; hidden: number } {
  const wanted = new Map(paths.map((path) => [resolved(path) ?? path, path]));
  const holders = new Map<string, PortHolder[]>();
  let hidden = 0;
  for (const pid of list(proc).filter((name) => /^\d+$/.test(name))) {
    const folder = join(proc, pid, 'fd');
    let files: string[];
    try {
      files = readdirSync(folder);
    } catch {
      hidden++;
      continue;
    }
    const held = new Set(files.map((file) => wanted.get(linkOf(join(folder, file)))));
    for (const path of held) {
      if (path === undefined) continue;
      const holder = { pid: Number(pid), command: read(join(proc, pid, 'comm')) };
      holders.set(path, [...(holders.get(path) ?? []), holder]);
    }
  }
  return { holders, hidden };
}

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};
