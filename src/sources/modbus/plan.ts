import { isBitTable, type RegisterTable } from './protocol.js';

/** Where a point lies: `width` registers, or one bit, from `address` on. */
export interface Placed {
  readonly table: RegisterTable;
  readonly address: number;
  readonly width: number;
}

/** One request and the points that it brings. */
export interface PlannedRequest<P extends Placed> {
  readonly table: RegisterTable;
  readonly address: number;
  readonly quantity: number;
  readonly points: readonly P[];
}

export interface PlanLimits {
  /** Most registers in one request, at most 125. */
  readonly maxRegisters: number;
  /** Most coils or discrete inputs in one request, at most 2000. */
  readonly maxBits: number;
  /** Registers (or bits, sixteen times as many) that nobody asked for, read rather than start a new request. */
  readonly maxGap: number;
}

/** The fewest requests for these points, within the limits: neighbours are read together, tables never mixed. */
export function planRequests<P extends Placed>(
  points: readonly P[],
  limits: PlanLimits,
): PlannedRequest<P>[] {
  const byTable = new Map<RegisterTable, P[]>();
  for (const point of points) byTable.set(point.table, [...(byTable.get(point.table) ?? []), point]);
  const requests: PlannedRequest<P>[] = [];
  for (const [table, placed] of byTable) {
    const bits = isBitTable(table);
    const most = bits ? limits.maxBits : limits.maxRegisters;
    const gap = bits ? limits.maxGap * 16 : limits.maxGap;
    placed.sort((a, b) => a.address - b.address);
    let group: P[] = [];
    let end = 0;
    const close = () => {
      if (group.length > 0) requests.push(requestFor(table, group));
    };
    for (const point of placed) {
      const pointEnd = point.address + point.width;
      const joins =
        group.length > 0 && point.address - end <= gap && Math.max(end, pointEnd) - group[0]!.address <= most;
      if (!joins) {
        close();
        group = [];
        end = pointEnd;
      }
      group.push(point);
      end = Math.max(end, pointEnd);
    }
    close();
  }
  return requests;
}

function requestFor<P extends Placed>(table: RegisterTable, points: readonly P[]): PlannedRequest<P> {
  const address = points[0]!.address;
  const end = points.reduce((last, point) => Math.max(last, point.address + point.width), 0);
  return { table, address, quantity: end - address, points };
}

/** A refused request as two, so that in the end one illegal register costs one point. One point cannot be split. */
export function splitRequest<P extends Placed>(request: PlannedRequest<P>): PlannedRequest<P>[] {
  const half = Math.ceil(request.points.length / 2);
  return [
    requestFor(request.table, request.points.slice(0, half)),
    requestFor(request.table, request.points.slice(half)),
  ];
}
