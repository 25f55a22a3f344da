import { pointParts } from '../signals/point.js';

/** The place of an alarm among those of its machine that came together. */
export interface GroupPlace {
  /** Shared by the alarms of the group: machine and time of the first. */
  readonly id: string;
  /** True for the one that came first: most often the cause, the others what follows from it. */
  readonly firstOut: boolean;
  /** 1 for the first. */
  readonly place: number;
}

interface Group {
  readonly id: string;
  count: number;
  readonly members: Set<string>;
}

/**
 * Groups the alarms of a machine: the first one that comes while none is there is the parent ("first-out"), those that
 * come before all are gone are its children. One fault with ten symptoms is then one thing to look at.
 */
export class AlarmGroups {
  readonly #groups = new Map<string, Group>();

  /** An alarm came. */
  join(alarm: string, point: string, timeMs: number): GroupPlace {
    const { machine } = pointParts(point);
    let group = this.#groups.get(machine);
    if (group === undefined) {
      group = { id: `${machine}@${new Date(timeMs).toISOString()}`, count: 0, members: new Set() };
      this.#groups.set(machine, group);
    }
    group.count++;
    group.members.add(`${alarm}@${point}`);
    return { id: group.id, firstOut: group.count === 1, place: group.count };
  }

  /** An alarm is over, or was silenced: without members the group is over too. */
  leave(alarm: string, point: string): void {
    const { machine } = pointParts(point);
    const group = this.#groups.get(machine);
    if (group === undefined) return;
    group.members.delete(`${alarm}@${point}`);
    if (group.members.size === 0) this.#groups.delete(machine);
  }

  /** Takes up a member that was stored. */
  restore(alarm: string, point: string, place: GroupPlace): void {
    const { machine } = pointParts(point);
    const group = this.#groups.get(machine) ?? { id: place.id, count: 0, members: new Set<string>() };
    group.count = Math.max(group.count, place.place);
    group.members.add(`${alarm}@${point}`);
    this.#groups.set(machine, group);
  }

  clear(): void {
    this.#groups.clear();
  }
}
