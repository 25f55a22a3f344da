import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { SmEdgeError } from '../base/errors.js';
import { hashPassword } from '../sources/mqtt/broker-users.js';
import type { RegisterVerb } from './context.js';
import { EXIT, reportFailure, write } from './output.js';

/** `sm-edge mqtt-password`: a user of the embedded broker, with the hash of a password. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('mqtt-password')
    .description(
      'the hash of a password for a user of the embedded MQTT broker; the password is read from stdin',
    )
    .argument('<username>', 'the user')
    .option('--json', 'one JSON document on stdout')
    .action(async (username: string, options: { json?: boolean }) => {
      try {
        await write(context.err, 'password: ');
        const password = await firstLine();
        if (password === '') throw new SmEdgeError('USAGE', 'no password came on stdin');
        const user = { username, passwordHash: await hashPassword(password) };
        await write(
          context.out,
          options.json ? `${JSON.stringify(user)}\n` : stringify({ users: [user] }, { lineWidth: 0 }),
        );
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
};

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  return '';
}
