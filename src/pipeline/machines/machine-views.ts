import type { MachineHealth } from './machine-health.js';
import type { MachineRegistry } from './machines.js';
import type { OperatingStates } from './operating-states.js';
import type { PointBoard } from './point-board.js';
import type { MachineView } from './snapshot.js';

export interface MachineViewDeps {
  readonly board: PointBoard;
  readonly machines: MachineRegistry;
  readonly states: OperatingStates;
  readonly health: MachineHealth;
}

/** Each machine with its points, its one index of health, what pulls that down, and its operating state. */
export function machineViews(deps: MachineViewDeps, nowMs: number): MachineView[] {
  const { board, machines, states, health } = deps;
  return board
    .machines((machine) => machines.classOf(machine))
    .map((view) => {
      const known = health.view(view.id);
      const state = states.view(view.id, nowMs);
      return {
        ...view,
        ...(known === undefined
          ? {}
          : { health: known.index, healthTimeMs: known.timeMs, pulls: known.pulls }),
        ...(state === undefined ? {} : { operating: state }),
      };
    });
}
