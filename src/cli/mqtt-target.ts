import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { SmEdgeError } from '../base/errors.js';
import { type ExternalBroker, externalBrokerSchema } from '../sources/mqtt/config.js';
import type { CliContext } from './output.js';

/** What a person says of a broker on the command line. */
export interface BrokerOptions {
  readonly mqttVersion: string;
  readonly clientId?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: boolean;
}

export const brokerOptions = (command: Command): Command =>
  command
    .option('--mqtt-version <version>', '5 or 3.1.1', '5')
    .option('--client-id <id>', 'client id, where the broker allows only known ones')
    .option(
      '--username <name>',
      'user name; the password comes from SM_EDGE_MQTT_PASSWORD or --password-file',
    )
    .option('--password-file <file>', 'file with the password')
    .option('--ca <file>', 'PEM file with the authorities that sign the broker')
    .option('--cert <file>', 'PEM file with the certificate of this client (mutual TLS)')
    .option('--key <file>', 'PEM file with its private key')
    .option('--insecure', 'take a broker whose certificate cannot be verified');

/** @throws SmEdgeError `USAGE` */
export function brokerOf(url: string, options: BrokerOptions, env: CliContext['env']): ExternalBroker {
  const password =
    options.passwordFile === undefined ? env.SM_EDGE_MQTT_PASSWORD : readPassword(options.passwordFile);
  const parsed = externalBrokerSchema.safeParse({
    ...brokerYaml(url, options),
    ...(password === undefined || options.username === undefined ? {} : { password }),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SmEdgeError('USAGE', `${url}: ${issue?.path.join('.')}: ${issue?.message}`, {
    hint: 'write mqtt://HOST:1883, mqtts://HOST:8883, ws://HOST/PATH',
  });
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new SmEdgeError('USAGE', `--password-file ${file} cannot be read`, { cause });
  }
}

/** The broker as a config writes it; the password is named, not shown. */
export function brokerYaml(url: string, options: BrokerOptions): Record<string, unknown> {
  const { ca, cert, key, insecure, username, clientId } = options;
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
  };
  return {
    url,
    version: options.mqttVersion === '5' ? 5 : options.mqttVersion,
    ...(clientId === undefined ? {} : { clientId }),
    ...(username === undefined ? {} : { username }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

/** The same for pasting: with a reference to the password, and without the client id, which a gateway has of its own. */
export function pastedBroker(url: string, options: BrokerOptions): Record<string, unknown> {
  const { clientId: _, ...broker } = brokerYaml(url, options);
  const reference = ['$', '{SM_EDGE_MQTT_PASSWORD}'].join('');
  return options.username === undefined ? broker : { ...broker, password: reference };
}
