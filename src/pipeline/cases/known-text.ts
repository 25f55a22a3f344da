import { UNKNOWN_LABEL } from '../../scoring/learning/fault-classifier.js';
import type { KnownFault } from './nearest.js';

/** What labelled cases say of an anomaly, as its event has it; nothing where there are none. */
export function knownPayload(known: KnownFault | undefined): Readonly<Record<string, unknown>> {
  const { healthy, faulty, classification } = known ?? {};
  const nearest = {
    ...(healthy === undefined ? {} : { healthy }),
    ...(faulty === undefined ? {} : { faulty }),
  };
  return {
    ...(healthy === undefined && faulty === undefined ? {} : { nearest }),
    ...(classification === undefined ? {} : { classification }),
  };
}

/** The same in a sentence, with a space before it. */
export function knownSentence(known: KnownFault | undefined): string {
  const { faulty, classification } = known ?? {};
  const like = faulty === undefined ? '' : `, as at ${faulty.point} on ${faulty.time.slice(0, 10)}`;
  if (classification !== undefined && classification.label !== UNKNOWN_LABEL) {
    const same = faulty?.label === classification.label ? like : '';
    return ` By the labelled cases it is ${classification.label} (${Math.round(100 * classification.probability)} %)${same}.`;
  }
  if (classification?.contradicted !== undefined) {
    const { label, diagnosis } = classification.contradicted;
    return ` By its features it is like ${label}, but physics says ${diagnosis}, as at none of those cases: nobody has named it yet.`;
  }
  if (classification?.label === UNKNOWN_LABEL) return ' It is like no labelled case.';
  return faulty === undefined ? '' : ` Of the labelled cases it is most like ${faulty.label}${like}.`;
}
