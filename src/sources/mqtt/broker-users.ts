import { createHash, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

const KEY_BYTES = 64;
const SALT_BYTES = 16;
/** Above what mosquitto takes (101 or 1000); about 10 ms, off the main thread. */
const ITERATIONS = 20_000;

/** The form that mosquitto_passwd writes: `$7$iterations$salt$hash`, PBKDF2 with HMAC-SHA-512. */
export const PASSWORD_HASH = /^\$7\$(\d{1,7})\$([A-Za-z0-9+/]{8,128}={0,2})\$([A-Za-z0-9+/]{86}==)$/;

/** A password as it may stand in a config. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, ITERATIONS, KEY_BYTES, 'sha512');
  return `$7$${ITERATIONS}$${salt.toString('base64')}$${key.toString('base64')}`;
}

async function matches(password: Buffer, hash: string): Promise<boolean> {
  const [, iterations, salt, expected] = PASSWORD_HASH.exec(hash)!;
  const key = await derive(password, Buffer.from(salt!, 'base64'), Number(iterations), KEY_BYTES, 'sha512');
  return timingSafeEqual(key, Buffer.from(expected!, 'base64'));
}

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();

/** A user as the config declares one: `password` or `passwordHash`, and rights. */
export interface User {
  readonly username: string;
  readonly password?: string | undefined;
  readonly passwordHash?: string | undefined;
  readonly publish?: readonly string[] | undefined;
  readonly subscribe?: readonly string[] | undefined;
}

/** Whether a client is who it says it is. */
export class BrokerUsers {
  readonly #users: ReadonlyMap<string, User>;
  /** Compared with where the name is unknown, so that the time taken does not tell which names exist. */
  readonly #nobody: User;

  constructor(users: readonly User[]) {
    this.#users = new Map(users.map((user) => [user.username, user]));
    this.#nobody = users[0] ?? { username: '', password: randomBytes(SALT_BYTES).toString('hex') };
  }

  get isEmpty(): boolean {
    return this.#users.size === 0;
  }

  find(username: string | undefined): User | undefined {
    return this.#users.get(username ?? '');
  }

  async admit(username: string | undefined, password: Buffer): Promise<boolean> {
    const known = this.find(username);
    const user = known ?? this.#nobody;
    const right =
      user.passwordHash === undefined
        ? timingSafeEqual(sha256(password), sha256(user.password!))
        : await matches(password, user.passwordHash);
    return right && known !== undefined;
  }
}
