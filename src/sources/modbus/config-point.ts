import { z } from 'zod';
import { pointName } from '../../signals/point.js';
import { scalarShape } from '../scalar.js';
import { isWritableType } from './encode.js';
import { isBitTable, MAX_REGISTERS, REGISTER_TABLES } from './protocol.js';
import { BYTE_ORDERS, naturalOrder, registersOf, VALUE_TYPES } from './values.js';

/** What a point can be: a value, or a text. */
const POINT_TYPES = [...VALUE_TYPES, 'string'] as const;
type PointType = (typeof POINT_TYPES)[number];

export const address = z
  .number()
  .int()
  .min(0)
  .max(65_535)
  .describe('Address in the protocol: what a manual calls 40001 or 30001 is address 0');

export const register = z
  .enum(REGISTER_TABLES)
  .describe('Kind: holding or input register, coil, discrete input');

export const order = z
  .enum(BYTE_ORDERS)
  .optional()
  .describe('Bytes on the wire, A the most significant: ABCD, CDAB (words swapped) …; default big-endian');

export const pointSchema = z
  .strictObject({
    point: pointName().describe('Name of the measuring point'),
    register,
    address,
    type: z
      .enum(POINT_TYPES)
      .optional()
      .describe(
        'How the registers are to be read; default uint16, for coils and discrete inputs bit. 8-bit types are the low byte (order BA: the high byte)',
      ),
    length: z
      .number()
      .int()
      .min(1)
      .max(MAX_REGISTERS)
      .optional()
      .describe('Type string: registers that it takes, two characters each (order BA: the low byte first)'),
    states: z
      .record(z.string().max(2 * MAX_REGISTERS), z.number())
      .optional()
      .describe(
        'Type string: the number that each text stands for; without it the text must read as a number, or is only shown',
      ),
    order,
    bit: z
      .number()
      .int()
      .min(0)
      .max(15)
      .optional()
      .describe('Type bit in a register: which one, 0 the lowest'),
    ...scalarShape,
    unit: scalarShape.unit.default('1'),
    writable: z
      .strictObject({
        range: z
          .tuple([z.number(), z.number()])
          .refine(([low, high]) => low < high, 'range is [low, high], low first')
          .optional()
          .describe('Values that may be written, in unit, [low, high]'),
        multiple: z
          .boolean()
          .default(false)
          .describe('Write with function 15 or 16 even where 5 or 6 would do: some devices know no other'),
        readBack: z
          .boolean()
          .default(true)
          .describe('Read what was written; false where the device answers with something else'),
      })
      .optional()
      .describe('Lets people write to this point (sm-edge write); without it the point is read only'),
    deadband: z
      .number()
      .positive()
      .optional()
      .describe('Report a change smaller than this, in unit, only once a minute'),
  })
  .superRefine((point, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const bits = isBitTable(point.register);
    const type = point.type ?? (bits ? 'bit' : 'uint16');
    if (bits && type !== 'bit') issue('type', `a ${point.register} is one bit`);
    if (bits && (point.order !== undefined || point.bit !== undefined))
      issue(point.order === undefined ? 'bit' : 'order', `a ${point.register} is one bit`);
    if (!bits && type === 'bit' && point.bit === undefined)
      issue('bit', 'which bit of the register, 0 to 15?');
    if (type !== 'bit' && point.bit !== undefined) issue('bit', 'goes with type: bit');
    if (point.writable !== undefined) {
      if (point.register === 'input' || point.register === 'discrete')
        issue('writable', `a ${point.register} cannot be written`);
      else if (!bits && !isWritableType(type))
        issue('writable', `a ${type} shares its register with others: write the whole register`);
      if (point.scale === 0) issue('scale', 'a writable point needs a scale other than 0');
    }
    if (type === 'string' && point.length === undefined) issue('length', 'how many registers?');
    if (type !== 'string' && (point.length !== undefined || point.states !== undefined))
      issue(point.length === undefined ? 'states' : 'length', 'goes with type: string');
    checkOrder(point.order, type === 'string' ? 'uint16' : type, (message) => issue('order', message));
    if (!bits && point.address + widthOf(type, point.length) > 65_536)
      issue('address', 'reaches past register 65535');
  });

export function checkOrder(
  given: string | undefined,
  type: (typeof VALUE_TYPES)[number],
  issue: (message: string) => void,
) {
  const natural = naturalOrder(type);
  if (given !== undefined && given.length !== natural.length)
    issue(
      `${given} is for ${given.length * 8} bits; for ${type} write ${natural} or another order of its letters`,
    );
}

export type PointConfig = z.infer<typeof pointSchema>;

const widthOf = (type: PointType, length: number | undefined): number =>
  type === 'string' ? (length ?? 1) : registersOf(type);

/** A point with everything that its defaults stand for. */
export function placePoint(config: PointConfig) {
  const bits = isBitTable(config.register);
  const type = config.type ?? (bits ? 'bit' : 'uint16');
  return {
    config,
    table: config.register,
    address: config.address,
    width: bits ? 1 : widthOf(type, config.length),
    /** Undefined for a text. */
    shape:
      type === 'string'
        ? undefined
        : { type, order: config.order ?? naturalOrder(type), bit: config.bit ?? 0 },
  } as const;
}

export type PlacedPoint = ReturnType<typeof placePoint>;
