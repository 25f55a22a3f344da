import type { RegisterVerb } from './context.js';
import { EXIT, reportFailure, write } from './output.js';

/** `sm-edge scan serial`: the ports, the names that stay, and who holds them. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('serial')
    .description('the serial ports of this machine, the names that stay, and who holds them')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { json?: boolean }) => {
      try {
        const { scanPorts } = await import('../sources/serial/tools/ports.js');
        const scan = scanPorts();
        await write(context.out, options.json ? `${JSON.stringify(scan)}\n` : textOf(scan));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
};

type Scan = import('../sources/serial/tools/ports.js').PortScan;

function textOf({ ports, hiddenProcesses }: Scan): string {
  if (ports.length === 0)
    return 'no serial port; is the adapter plugged in, and does `dmesg | tail` tell of it?\n';
  const lines = ports.flatMap(({ path, byId, byPath, driver, product, permitted, holders }) => [
    `${path}  ${[product, driver].filter((text) => text !== '').join(', ')}`,
    ...(byId.length === 0 ? ['  no by-id name: take by-path, which names the socket'] : []),
    ...[...byId, ...byPath].map((name) => `  ${name}`),
    ...(permitted ? [] : ['  this user may not open it: add it to the group dialout']),
    ...holders.map(({ pid, command }) => `  held by ${command} (process ${pid})`),
  ]);
  const hidden =
    hiddenProcesses === 0
      ? []
      : [`(${hiddenProcesses} processes of other users could not be looked at: sudo shows them)`];
  return `${[...lines, ...hidden, '', `# look closer: sm-edge probe serial ${ports[0]!.byId[0] ?? ports[0]!.path}`].join('\n')}\n`;
}
