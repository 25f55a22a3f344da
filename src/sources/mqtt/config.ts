import { z } from 'zod';
import { byteSize, duration, identifier } from '../../base/schema.js';
import { POINT_NAME } from '../../signals/point.js';
import { intakeShape } from '../intake/config.js';
import { payloadChannels, payloadNames, payloadSchema } from '../payloads/index.js';
import { PASSWORD_HASH } from './broker-users.js';
import { fillTemplate, templateNames, topicFilterFault, topicPattern } from './topic-filter.js';

const topicFilter = () =>
  z
    .string()
    .max(1024)
    .superRefine((text, context) => {
      const fault = topicFilterFault(text);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    });

const BROKER_URL = /^(mqtt|mqtts|tcp|ssl|ws|wss):\/\/[^\s/@]+(\/\S*)?$/;

const tlsSchema = z
  .strictObject({
    ca: z.string().optional().describe('Path of the PEM file with the authorities that sign the broker'),
    cert: z
      .string()
      .optional()
      .describe('Path of the PEM file with the certificate of this client (mutual TLS)'),
    key: z.string().optional().describe('Path of the PEM file with the private key of this client'),
    rejectUnauthorized: z
      .boolean()
      .default(true)
      .describe('Refuse a broker whose certificate cannot be verified; false only for a trial'),
  })
  .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), 'cert and key belong together')
  .describe('TLS; needs a mqtts:// or wss:// URL');

/** An external broker. */
export const externalBrokerSchema = z.strictObject({
  url: z
    .string()
    .regex(
      BROKER_URL,
      'write mqtt://host:1883, mqtts://host:8883, ws://host/path or wss://host/path; user name and password stand beside it',
    )
    .describe('Where the broker is; user name and password stand beside it, not in it'),
  version: z
    .union([z.literal(4), z.literal(5), z.literal('3.1.1').transform(() => 4 as const)])
    .default(5)
    .describe('MQTT version: 5, or 4 (also written "3.1.1")'),
  clientId: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('Client id; the broker keeps the session under it. Default sm-edge-<gateway>-<source>'),
  username: z.string().max(1024).optional().describe('User name'),
  password: z
    .string()
    .max(65_535)
    .optional()
    .describe('Password: better !file or an environment reference than plain text'),
  tls: tlsSchema.optional(),
  keepAlive: duration({ minMs: 5_000, maxMs: 65_535_000 })
    .prefault('30s')
    .describe('Silence after which the link is tested, and given up when the test fails too'),
  connectTimeout: duration({ minMs: 100, maxMs: 300_000 })
    .prefault('10s')
    .describe('Deadline of a connection attempt'),
  sessionExpiry: duration({ minMs: 0, maxMs: 4_294_967_294_000 })
    .prefault('7d')
    .describe(
      'How long the broker keeps messages for an absent gateway (MQTT 5; in 3.1.1 the broker decides)',
    ),
  maxInFlight: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(512)
    .describe('Messages taken from the broker but not yet acknowledged (MQTT 5: receive maximum)'),
  statusTopic: z
    .string()
    .max(1024)
    .regex(/^[^+#]*$/, 'a topic to publish to has no wildcards')
    .default('sm-edge/{gateway}/status')
    .describe('Topic of the birth message and the last will, retained; empty for none'),
});

const accessList = (what: string) => z.array(topicFilter()).max(1000).optional().describe(what);

const user = z
  .strictObject({
    username: z.string().min(1).max(256).describe('User name'),
    password: z
      .string()
      .min(1)
      .max(1024)
      .optional()
      .describe('Password: better passwordHash, !file or an environment reference than plain text'),
    passwordHash: z
      .string()
      .regex(
        PASSWORD_HASH,
        'write what `sm-edge mqtt-password` or mosquitto_passwd gives: $7$iterations$salt$hash',
      )
      .optional()
      .describe('Hash of the password, as `sm-edge mqtt-password` and mosquitto_passwd write it'),
    publish: accessList(
      'Topic filters that the user may publish to; {username} and {clientId} are levels; default all, [] none',
    ),
    subscribe: accessList(
      'Topic filters that the user may subscribe to, or parts of them; default all, [] none',
    ),
  })
  .refine(
    ({ password, passwordHash }) => (password === undefined) !== (passwordHash === undefined),
    'declare password or passwordHash',
  );

const brokerTlsSchema = z
  .strictObject({
    cert: z.string().describe('Path of the PEM file with the certificate of the broker'),
    key: z.string().describe('Path of the PEM file with its private key'),
    ca: z
      .string()
      .optional()
      .describe(
        'Path of the PEM file with the authorities of client certificates: only clients with one may connect',
      ),
  })
  .describe('TLS for all clients of the broker');

/** The broker in this process (aedes), for sites that have none. */
const embeddedBrokerSchema = z
  .strictObject({
    listen: z
      .string()
      .regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:]+):\d{1,5}$/, 'write host:port, such as 127.0.0.1:1883')
      .default('127.0.0.1:1883')
      .describe('Address and port; port 0 takes a free one'),
    tls: brokerTlsSchema.optional(),
    users: z
      .array(user)
      .max(1000)
      .refine(
        (users) => new Set(users.map(({ username }) => username)).size === users.length,
        'a user stands twice',
      )
      .default([])
      .describe('Who may connect; empty: everybody (loopback only)'),
    allowAnonymous: z
      .boolean()
      .default(false)
      .describe('Let everybody connect although the broker listens beyond this machine'),
    maxConnections: z.number().int().min(1).max(10_000).default(100).describe('Connections at the same time'),
    maxPacket: byteSize({ minBytes: 1024 })
      .prefault('1MiB')
      .describe('Largest packet; a sender of a larger one is disconnected'),
    maxRate: z
      .number()
      .min(1)
      .max(1_000_000)
      .default(5000)
      .describe('Messages a second of one client; from a faster one is read more slowly'),
  })
  .refine(
    (broker) =>
      broker.users.length > 0 ||
      broker.tls?.ca !== undefined ||
      broker.allowAnonymous ||
      isLoopback(broker.listen),
    {
      path: ['users'],
      message: 'the broker would be open to the whole network: declare users, or allowAnonymous: true',
    },
  );

/** Whether `host:port` is reachable from this machine alone. */
export function isLoopback(listen: string): boolean {
  const host = listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

const brokerSchema = z
  .union(
    [
      z.literal('embedded').transform(() => ({ embedded: embeddedBrokerSchema.parse({}) })),
      z.strictObject({ embedded: embeddedBrokerSchema.describe('The broker in this process') }),
      externalBrokerSchema,
    ],
    { error: 'write { url: mqtt://host:1883 } for a broker, or embedded for the one in this process' },
  )
  .describe('The broker: an external one by its url, or `embedded` for the one in this process');

const subscriptionSchema = z
  .strictObject({
    filter: topicFilter().describe('Topic filter; {name} is a one-level wildcard that names what it matched'),
    qos: z
      .union([z.literal(0), z.literal(1), z.literal(2)])
      .default(1)
      .describe('Quality of service: 1 and 2 are acknowledged once stored, 0 is lost in a crash'),
    point: z
      .string()
      .min(1)
      .max(200)
      .describe('Point template: {name} is what the wildcard matched, {channel} a channel of the payload'),
    payload: payloadSchema,
    silence: duration({ minMs: 100, maxMs: 31 * 86_400_000 })
      .optional()
      .describe(
        'A topic without a message for so long degrades the source; without it a topic may be silent',
      ),
  })
  .superRefine((subscription, context) => {
    if (topicFilterFault(subscription.filter) !== undefined) return;
    const channels = payloadChannels(subscription.payload);
    const known = [
      ...topicPattern(subscription.filter).names,
      ...(channels === undefined ? [] : ['channel']),
      ...payloadNames(subscription.payload),
    ];
    const used = templateNames(subscription.point);
    const unknown = used.find((name) => !known.includes(name));
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['point'], message });
    if (unknown !== undefined) {
      issue(
        `{${unknown}} is not in the filter; known: ${known.map((name) => `{${name}}`).join(', ') || 'none'}`,
      );
    } else if (channels !== undefined && channels.length > 1 && !used.includes('channel')) {
      issue('the payload has several channels: put {channel} into the point, or they all become one');
    } else if (
      !POINT_NAME.test(fillTemplate(subscription.point, Object.fromEntries(known.map((n) => [n, 'x']))))
    ) {
      issue('a point is named machine.position.quantity, such as {machine}.{position}.acceleration');
    }
  });

export const mqttConfigSchema = z.strictObject({
  id: identifier().describe('Name of this source, unique in the gateway'),
  type: z.literal('mqtt').describe('An MQTT broker'),
  ...intakeShape,
  broker: brokerSchema,
  subscriptions: z.array(subscriptionSchema).min(1).max(1000).describe('What to listen to'),
  maxPayload: byteSize({ minBytes: 64 })
    .prefault('1MiB')
    .describe('Largest payload; a larger one is counted and refused'),
  maxTopics: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(10_000)
    .describe('Topics that may become points; further ones are counted and refused'),
});

export type MqttConfig = z.infer<typeof mqttConfigSchema>;
export type ExternalBroker = z.infer<typeof externalBrokerSchema>;
export type EmbeddedBrokerConfig = z.infer<typeof embeddedBrokerSchema>;
export type Subscription = z.infer<typeof subscriptionSchema>;
