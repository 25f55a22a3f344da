import { z } from 'zod';
import { duration, identifier } from '../../base/schema.js';
import { POINT_NAME } from '../../signals/point.js';
import { intakeShape } from '../intake/config.js';
import { type LineTarget, serialContradiction, serialPortShape } from '../line.js';
import { payloadChannels, payloadSchema } from '../payloads/index.js';
import { framingSchema } from './framing/index.js';

const URL_FORM = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+):(\d{1,5})$/;

const messageSchema = z
  .strictObject({
    match: z
      .strictObject({
        offset: z.number().int().min(0).max(65_535).default(0).describe('Where the bytes stand'),
        hex: z
          .string()
          .regex(/^([0-9a-fA-F]{2}){1,16}$/, 'write the bytes in hexadecimal, such as 01')
          .describe('The bytes that tell this kind of message, in hexadecimal'),
      })
      .optional()
      .describe('Which frames are meant, where there are several kinds; default all'),
    point: z
      .string()
      .min(1)
      .max(200)
      .describe('Name of the measuring point; {channel} is a channel of the payload'),
    payload: payloadSchema,
  })
  .superRefine(({ point, payload }, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['point'], message });
    const channels = payloadChannels(payload);
    const used = point.includes('{channel}');
    if (channels === undefined && used) issue('the payload has no channels');
    else if (channels !== undefined && channels.length > 1 && !used)
      issue('the payload has several channels: put {channel} into the point, or they all become one');
    else if (!POINT_NAME.test(point.replaceAll('{channel}', 'x')))
      issue('a point is named machine.position.quantity, such as pump-1.bearing-de.{channel}');
  });

/** Everything of a port but its path may stand beside a `url` as well, and is then not used. */
export const serialConfigSchema = z
  .strictObject({
    id: identifier().describe('Name of this source, unique in the gateway'),
    type: z.literal('serial').describe('Instruments that send of their own accord over a serial line'),
    ...intakeShape,
    ...serialPortShape,
    path: serialPortShape.path.optional(),
    url: z
      .string()
      .regex(URL_FORM, 'write tcp://host:port')
      .optional()
      .describe('A serial device server in place of a port: tcp://host:port'),
    xonxoff: z
      .boolean()
      .default(false)
      .describe('Software flow control (XON/XOFF); for text only, since binary frames hold these bytes too'),
    connectTimeout: duration({ minMs: 100, maxMs: 120_000 })
      .prefault('5s')
      .describe('Deadline for opening the line'),
    silence: duration({ minMs: 100, maxMs: 30 * 86_400_000 })
      .prefault('30s')
      .describe('Without a message for so long the source is degraded; a TCP connection is then made anew'),
    framing: framingSchema,
    messages: z.array(messageSchema).min(1).max(256).describe('What the frames hold'),
  })
  .superRefine((config, context) => {
    if ((config.path === undefined) === (config.url === undefined))
      context.addIssue({
        code: 'custom',
        path: config.path === undefined ? ['path'] : ['url'],
        message: 'declare either `path` (a serial port) or `url` (a serial device server)',
      });
    if (config.xonxoff && config.framing.kind !== 'line')
      context.addIssue({
        code: 'custom',
        path: ['xonxoff'],
        message: 'binary frames hold the bytes XON and XOFF too: use rtscts',
      });
    const contradiction = serialContradiction(config);
    if (contradiction !== undefined)
      context.addIssue({ code: 'custom', path: ['rs485'], message: contradiction });
    const seen = new Map<string, string>();
    for (const [index, { point, payload, match }] of config.messages.entries()) {
      for (const channel of payloadChannels(payload) ?? ['']) {
        const name = point.replaceAll('{channel}', channel);
        const kind = JSON.stringify(match ?? null);
        if (seen.get(name) === kind)
          context.addIssue({
            code: 'custom',
            path: ['messages', index, 'point'],
            message: `${name} stands twice`,
          });
        seen.set(name, kind);
      }
    }
  });

export type SerialConfig = z.infer<typeof serialConfigSchema>;
export type MessageConfig = SerialConfig['messages'][number];

export function targetOf(config: SerialConfig): LineTarget {
  if (config.url !== undefined) {
    const [, host, port] = URL_FORM.exec(config.url)!;
    return { host: host!.replace(/^\[|\]$/g, ''), port: Number(port) };
  }
  const { baudRate, dataBits, parity, stopBits, rtscts, xonxoff, rs485 } = config;
  return { path: config.path!, baudRate, dataBits, parity, stopBits, rtscts, xonxoff, rs485 };
}
