import { presentTable } from './present-table.js';

/** How numbers are spread; as `Spread` of the simulation. */
interface Spread {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** What came of a simulation; as `SimulationReport`. */
export interface SimulationOutcome {
  readonly order: string;
  readonly bots: number;
  readonly jobs: number;
  readonly simulatedMs: number;
  readonly utilisation: number;
  readonly fairness: number;
  readonly localityHits: number;
  readonly kinds: readonly {
    readonly name: string;
    readonly invocations: number;
    readonly jobs: number;
    readonly priority: number;
    readonly waitMs: Spread;
    readonly makespanMs: Spread;
    readonly slowdown: Spread;
  }[];
}

const head = [
  'invocations',
  'count',
  'jobs',
  'priority',
  'wait p50',
  'p90',
  'p99',
  'lasts p50',
  'slowdown p50',
  'p90',
  'max',
];

/** A table of the kinds of invocations below what is true of all. The run took `elapsedMs` here. */
export function presentSimulation(outcome: SimulationOutcome, elapsedMs: number): string {
  const { order, bots, jobs, simulatedMs, utilisation, fairness, localityHits, kinds } = outcome;
  const rows = kinds.map((kind) => [
    kind.name,
    String(kind.invocations),
    String(kind.jobs),
    String(kind.priority),
    ...[kind.waitMs.p50, kind.waitMs.p90, kind.waitMs.p99, kind.makespanMs.p50].map(presentSeconds),
    ...[kind.slowdown.p50, kind.slowdown.p90, kind.slowdown.max].map((times) => times.toFixed(2)),
  ]);
  return [
    `order ${order}: ${bots} bots, ${jobs} jobs, ${presentSeconds(simulatedMs)} simulated in ${presentSeconds(elapsedMs)}`,
    `utilisation ${percent(utilisation)}, fairness ${fairness.toFixed(3)}, locality hits ${percent(localityHits)}`,
    presentTable(head, rows),
  ].join('\n');
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

function presentSeconds(ms: number): string {
  const seconds = ms / 1000;
  return `${seconds < 100 ? seconds.toFixed(2) : seconds.toFixed(0)} s`;
}
