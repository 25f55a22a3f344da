import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import { EVENT_TYPES, type EventType, type GatewayEvent } from './event.js';

type Payload = Readonly<Record<string, unknown>>;

/** The form of one type's payload, and how older ones become it. */
interface EventForm {
  /** Counts up from 1 with each change that is more than another key. */
  readonly version: number;
  readonly schema: z.ZodType<Payload>;
  /** `upcasts[0]` brings version 1 to version 2, and so on. */
  readonly upcasts: readonly ((payload: Payload, type: EventType) => Payload)[];
}

const text = z.string().max(4000);
const name = z.string().min(1).max(200);
const isoTime = z.iso.datetime();

/** Every payload may hold more than its schema names: it changes by adding. */
const anything = z.looseObject({ message: text.optional() });

const alarmChange = z.looseObject({
  alarm: name,
  point: name,
  from: name,
  to: name,
  cause: name,
  severity: z.enum(['low', 'medium', 'high', 'critical']),
  message: text,
  time: isoTime,
  value: z.number().optional(),
  limit: z.number().optional(),
  until: isoTime.optional(),
  class: name.optional(),
  group: z.looseObject({ id: name, firstOut: z.boolean(), place: z.number() }).optional(),
  by: name.optional(),
  note: text.optional(),
});

/** Version 1 did not say what led to the change: nothing but the condition and the acknowledgement could then. */
const withCause = (payload: Payload): Payload => ({
  ...payload,
  cause:
    payload.to === 'acknowledged' || (payload.from === 'returned-unacknowledged' && payload.to === 'normal')
      ? 'acknowledge'
      : 'condition',
});

const first = (schema: z.ZodType<Payload>): EventForm => ({ version: 1, schema, upcasts: [] });
const changeOfAlarm: EventForm = { version: 2, schema: alarmChange, upcasts: [withCause] };

const anomaly = z.looseObject({
  point: name,
  time: isoTime,
  model: name,
  version: name,
  score: z.number(),
  threshold: z.number(),
  message: text,
});

const validation = z.looseObject({
  point: name,
  time: isoTime,
  outcome: z.enum(['confirmed', 'held-back']),
  confidence: z.number().min(0).max(1),
  reasons: z.array(z.looseObject({ rule: name, weight: z.number(), text })).max(50),
  message: text,
  /** Of what was held back: how many anomalies since the last such event of the point, and the newest of them. */
  count: z.number().int().positive().optional(),
  from: isoTime.optional(),
  blocks: z.number().int().positive().optional(),
  score: z.number().optional(),
  threshold: z.number().optional(),
});

const remark = z.looseObject({ alarm: name, point: name, by: name, message: text, time: isoTime });
/** What a person says that a stretch of time at a point was. */
const period = z.looseObject({
  ...{ point: name, by: name, message: text, time: isoTime, from: isoTime, to: isoTime },
  verdict: z.enum(['fault', 'healthy', 'withdrawn']),
  cause: text.optional(),
  alarms: z.array(name).max(1000),
  replaces: z.array(name).max(1000),
});
const source = z.looseObject({ source: name, sourceType: name, state: name, message: text });

const FORMS: Readonly<Partial<Record<EventType, EventForm>>> = {
  AnomalyDetected: first(anomaly),
  AnomalyValidated: first(validation),
  AlarmRaised: changeOfAlarm,
  AlarmAcknowledged: changeOfAlarm,
  AlarmReturnedToNormal: changeOfAlarm,
  AlarmShelved: changeOfAlarm,
  AlarmUnshelved: changeOfAlarm,
  AlarmSuppressed: changeOfAlarm,
  AlarmUnsuppressed: changeOfAlarm,
  AlarmRemovedFromService: changeOfAlarm,
  AlarmReturnedToService: changeOfAlarm,
  AlarmReset: changeOfAlarm,
  AlarmCommented: first(remark),
  AlarmLabelled: first(remark.extend({ correct: z.boolean(), cause: text.optional() })),
  PeriodLabelled: first(period),
  SourceDegraded: first(source),
  SourceRestored: first(source),
};

/** Knows the form of each type's payload; what it has no form for is taken with a message or without. */
export class EventCatalogue {
  readonly #forms: Readonly<Partial<Record<EventType, EventForm>>>;

  constructor(forms = FORMS) {
    this.#forms = forms;
  }

  /** The version in which a payload is published now. @throws SmEdgeError `EVENT_PAYLOAD` */
  check(type: EventType, payload: Payload): number {
    const { version, schema } = this.#formOf(type);
    const parsed = schema.safeParse(payload);
    if (!parsed.success) throw wrongPayload(type, version, parsed.error);
    return version;
  }

  /**
   * The event in the present form. One of a newer program is given as it is: its form changed by adding.
   * @throws SmEdgeError `EVENT_PAYLOAD` where what was journaled is no payload of its type
   */
  upcast(event: GatewayEvent): GatewayEvent {
    const { version, schema, upcasts } = this.#formOf(event.type);
    if (event.version > version) return event;
    const payload = upcasts
      .slice(event.version - 1)
      .reduce((older, step) => step(older, event.type), event.payload);
    const parsed = schema.safeParse(payload);
    if (!parsed.success) throw wrongPayload(event.type, event.version, parsed.error);
    return event.version === version ? event : { ...event, version, payload };
  }

  /** Names of the types with their present versions. */
  versions(): Readonly<Record<EventType, number>> {
    return Object.fromEntries(EVENT_TYPES.map((type) => [type, this.#formOf(type).version])) as Record<
      EventType,
      number
    >;
  }

  #formOf(type: EventType): EventForm {
    return this.#forms[type] ?? first(anything);
  }
}

function wrongPayload(type: EventType, version: number, { issues }: z.ZodError): SmEdgeError {
  const what = issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ');
  return new SmEdgeError('EVENT_PAYLOAD', `the payload is none of a ${type} of version ${version}: ${what}`, {
    hint: 'this is a fault of the program: please report it with the message',
  });
}
