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
  /** Places of the alarms that are in it. */
  readonly members: Map<string, number>;
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
      group = { id: `${machine}@${new Date(timeMs).toISOString()}`, members: new Map() };
      this.#groups.set(machine, group);
    }
    // Behind those that are there: a gateway that is started anew knows no others.
    const place = 1 + Math.max(0, ...group.members.values());
    group.members.set(`${alarm}@${point}`, place);
    return { id: group.id, firstOut: place === 1, place };
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
    const group = this.#groups.get(machine) ?? { id: place.id, members: new Map<string, number>() };
    group.members.set(`${alarm}@${point}`, place.place);
    this.#groups.set(machine, group);
  }

  clear(): void {
    this.#groups.clear();
  }
}
