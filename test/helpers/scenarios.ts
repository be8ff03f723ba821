import type { BotKind, InvocationKind, Order, Scenario } from '../../src/simulation/scenario.js';
import { Simulation } from '../../src/simulation/simulation.js';
import type { KindReport, SimulationReport } from '../../src/simulation/simulation-report.js';

/** One invocation at once of `jobs` Jobs of a second each, but for what `more` says. */
export function invocationKind(name: string, jobs: number, more: Partial<InvocationKind> = {}): InvocationKind {
  return {
    name,
    jobs,
    count: 1,
    startMs: 0,
    everyMs: 0,
    priority: 0,
    platform: [],
    duration: { distribution: 'constant', meanMs: 1_000, sigma: 1 },
    parallelism: Infinity,
    jobsPerTarget: 1,
    ...more,
  };
}

export function botKind(count: number, values: Readonly<Record<string, readonly string[]>> = {}): BotKind {
  return { count, offered: { values, wildcards: [] } };
}

export function simulate(
  scenario: Scenario,
  { order = 'fair', seed = 1 }: { readonly order?: Order; readonly seed?: number } = {},
): Promise<SimulationReport> {
  return new Simulation(scenario, { order, seed }).run();
}

export function kindIn(report: SimulationReport, name: string): KindReport {
  const found = report.kinds.find((kind) => kind.name === name);
  if (!found) throw new Error(`No invocations are called ${name}`);
  return found;
}
