import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { SmEdgeError } from '../../base/errors.js';

/**
 * Encrypted backups have the form of age (age-encryption.org/v1): frames of 64 KiB, each authenticated, in order and
 * to the end; the tool `age` opens them on any machine. The library is loaded when one is needed.
 */

/** To whom a backup is readable: whoever knows the passphrase, or has the identity that belongs to a recipient. */
export interface EncryptFor {
  readonly passphrase?: string;
  /** `age1…`: the gateway needs no secret to write a backup for it. */
  readonly recipients?: readonly string[];
}

export interface DecryptWith {
  readonly passphrase?: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly identities?: readonly string[];
}

/** scrypt with 64 MiB and half a second: the usual 256 MiB are too much on a gateway. */
const SCRYPT_LOG_N = 16;
const MIN_PASSPHRASE = 8;

export const isEncrypted = ({ passphrase, recipients = [] }: EncryptFor): boolean =>
  passphrase !== undefined || recipients.length > 0;

/** @throws SmEdgeError `USAGE` for a passphrase that is too short or a recipient that is none */
export async function encrypted(
  plain: Readable,
  { passphrase, recipients = [] }: EncryptFor,
): Promise<Readable> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  if (passphrase !== undefined) {
    if (passphrase.length < MIN_PASSPHRASE)
      throw new SmEdgeError('USAGE', `the passphrase is shorter than ${MIN_PASSPHRASE} characters`, {
        hint: 'take several words: who has the file may try passphrases for years',
      });
    if (recipients.length > 0) throw new SmEdgeError('USAGE', 'a passphrase or recipients, not both');
    encrypter.setScryptWorkFactor(SCRYPT_LOG_N);
    encrypter.setPassphrase(passphrase);
  }
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw new SmEdgeError('USAGE', `${recipient} is no age recipient`, {
        cause,
        hint: 'it begins with age1; age-keygen makes one',
      });
    }
  }
  return Readable.fromWeb((await encrypter.encrypt(webStream(plain))) as ReadableStream);
}

/** @throws SmEdgeError `BACKUP_LOCKED` where passphrase and identities do not open it */
export async function decrypted(
  secret: Readable,
  { passphrase, identities = [] }: DecryptWith,
): Promise<Readable> {
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  if (passphrase !== undefined) decrypter.addPassphrase(passphrase);
  try {
    for (const identity of identities) decrypter.addIdentity(identity);
    return Readable.fromWeb((await decrypter.decrypt(webStream(secret))) as ReadableStream);
  } catch (cause) {
    throw lockedError(passphrase !== undefined || identities.length > 0, cause);
  }
}

const lockedError = (isGiven: boolean, cause: unknown): SmEdgeError =>
  isGiven
    ? new SmEdgeError(
        'BACKUP_LOCKED',
        `the backup cannot be decrypted with the passphrase or identity that was given: ${(cause as Error).message}`,
        {
          cause,
          hint: 'give the one that it was made with; what was given opens another backup, or is mistyped',
        },
      )
    : new SmEdgeError('BACKUP_LOCKED', 'the backup is encrypted, and nothing was given to open it', {
        cause,
        hint: 'give --passphrase-file FILE (or set SM_EDGE_BACKUP_PASSPHRASE), or --identity FILE for one made for a recipient',
      });

/** The library wants the web's own type of stream, which is the same at run time. */
const webStream = (stream: Readable) => Readable.toWeb(stream) as globalThis.ReadableStream<Uint8Array>;

/** Passes bytes on, counts and hashes them. */
export class Tap extends Transform {
  readonly #hash = createHash('sha256');
  readonly #onBytes: (bytes: number) => void;
  bytes = 0;

  constructor(onBytes: (bytes: number) => void = () => undefined) {
    super();
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: null, chunk: Buffer) => void): void {
    this.#hash.update(chunk);
    this.bytes += chunk.length;
    this.#onBytes(this.bytes);
    done(null, chunk);
  }

  /** Once everything has passed. */
  sha256(): string {
    return this.#hash.digest('hex');
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function sha256OfFile(path: string, onBytes?: (bytes: number) => void): Promise<string> {
  const tap = createReadStream(path, { highWaterMark: 2 ** 20 }).pipe(new Tap(onBytes));
  for await (const _ of tap);
  return tap.sha256();
}
