import { SmEdgeError } from '../base/errors.js';
import { CASE_PREFIX, HEALTHY_PREFIX, parseCase, parseHealthy } from '../pipeline/cases/case-record.js';
import { type NearCase, nearestCases } from '../pipeline/cases/nearest.js';
import { MachineRegistry } from '../pipeline/machines/machines.js';
import type { KnownCase } from '../pipeline/recordings/explain-file.js';
import { pointName } from '../signals/point.js';
import { StoredHistory } from '../storage/history.js';
import { checked } from './options.js';
import type { CliContext } from './output.js';
import { type StoreOptions, storeOf } from './store-options.js';

/**
 * The cases that a gateway knows of a point and its kind, out of its store, which is only read.
 * @throws SmEdgeError `USAGE` where no point is named, `CASE_UNKNOWN` where the point was never learned
 */
export function knownCases(
  options: StoreOptions & { readonly point?: string },
  context: CliContext,
): (features: Readonly<Record<string, number>>) => KnownCase[] {
  if (options.point === undefined)
    throw new SmEdgeError('USAGE', 'the cases of which point?', {
      hint: 'name it: --point pump-1.bearing-de.acceleration',
    });
  const point = checked(pointName(), '--point', options.point);
  const { database, loaded } = storeOf(options, context);
  const machines = new MachineRegistry(loaded?.machines ?? []);
  const history = StoredHistory.open(database);
  try {
    const all = history.documents(CASE_PREFIX).flatMap(([, document]) => parseCase(document) ?? []);
    const healthy = new Map(
      history
        .documents(HEALTHY_PREFIX)
        .flatMap(([, document]) => parseHealthy(document) ?? [])
        .map((record) => [record.point, record]),
    );
    if (!healthy.has(point))
      throw new SmEdgeError(
        'CASE_UNKNOWN',
        `${point} was never learned, so nothing is known to compare with`,
        {
          hint: `sm-edge commission start ${point}`,
        },
      );
    const { machineClass, quantity } = machines.contextOf(point);
    const cases = all.filter(
      (one) => one.quantity === quantity && (loaded === undefined || one.machineClass === machineClass),
    );
    return (features) => {
      const nearest = nearestCases(point, features, cases, (of) => healthy.get(of));
      return [nearest.healthy, nearest.faulty].flatMap((one) => (one === undefined ? [] : shown(one)));
    };
  } finally {
    history.close();
  }
}

const shown = ({ label, point, time, distance }: NearCase): KnownCase => ({
  file: `${point} ${time}`,
  label,
  distance,
});
