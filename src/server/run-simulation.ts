import { open, readFile, type FileHandle } from 'node:fs/promises';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import { parseSimulationConfig, type SimulationConfig } from '../config/simulation-config.js';
import type { PlatformProperty } from '../scheduler/platform.js';
import type { BotKind, InvocationKind, Order, Scenario } from '../simulation/scenario.js';
import { Simulation } from '../simulation/simulation.js';
import type { Sample, SimulationReport } from '../simulation/simulation-report.js';

/** What {@link runSimulation} is told. */
export interface RunSimulationOptions {
  /** The scenario. */
  readonly file: string;
  /** How many bots and Jobs there are in all, in the scenario's proportions. @defaultValue as many as it says */
  readonly bots?: number | undefined;
  readonly jobs?: number | undefined;
  readonly seed: number;
  /** One run each. */
  readonly orders: readonly Order[];
  /** Where to write the states that the runs go through. @defaultValue nowhere */
  readonly csv?: string | undefined;
  readonly onProgress: (progress: { readonly order: Order; readonly done: number; readonly jobs: number }) => void;
  readonly onReport: (report: SimulationReport) => void;
}

/** Simulates a scenario. Throws INVALID_ARGUMENT for a file that cannot be read or written, or is no scenario. */
export async function runSimulation(options: RunSimulationOptions, signal: AbortSignal): Promise<SimulationReport[]> {
  const { seed, orders, csv, onProgress, onReport } = options;
  const config = parseSimulationConfig(await readText(options.file), options.file);
  const scenario = scaled(scenarioOf(config), options);
  // Before minutes of work, so that a wrong path is told at once.
  await using file = csv === undefined ? undefined : await create(csv);
  await file?.write(headOf(scenario));
  const reports: SimulationReport[] = [];
  for (const order of orders) {
    const simulation = new Simulation(scenario, {
      order,
      seed,
      onProgress: (progress) => onProgress({ order, ...progress }),
    });
    const report = await simulation.run(signal);
    reports.push(report);
    onReport(report);
    await file?.write(simulation.samples.map((sample) => lineOf(order, sample)).join(''));
  }
  return reports;
}

function scenarioOf({ bots, invocations }: SimulationConfig): Scenario {
  return {
    bots: bots.map(({ count, properties }): BotKind => ({
      count,
      offered: { values: valuesOf(properties), wildcards: [] },
    })),
    invocations: invocations.map(
      ({ start, every, platform, duration, parallelism = Infinity, ...same }): InvocationKind => ({
        ...same,
        startMs: start * 1000,
        everyMs: every * 1000,
        platform: platform.map(propertyOf),
        duration: { distribution: duration.distribution, meanMs: duration.mean * 1000, sigma: duration.sigma },
        parallelism,
      }),
    ),
  };
}

function valuesOf(properties: readonly string[]): Record<string, string[]> {
  const values: Record<string, string[]> = {};
  for (const { name, value } of properties.map(propertyOf)) values[name] = [...(values[name] ?? []), value];
  return values;
}

function propertyOf(text: string): PlatformProperty {
  const at = text.indexOf('=');
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

/** Each kind keeps its part of the whole, at least one bot or Job. */
function scaled({ bots, invocations }: Scenario, wanted: Pick<RunSimulationOptions, 'bots' | 'jobs'>): Scenario {
  const allBots = bots.reduce((sum, { count }) => sum + count, 0);
  const allJobs = invocations.reduce((sum, { count, jobs }) => sum + count * jobs, 0);
  const scale = (count: number, to: number | undefined, of: number): number =>
    to === undefined ? count : Math.max(1, Math.round((count * to) / of));
  return {
    bots: bots.map((kind) => ({ ...kind, count: scale(kind.count, wanted.bots, allBots) })),
    invocations: invocations.map((kind) => ({ ...kind, jobs: scale(kind.jobs, wanted.jobs, allJobs) })),
  };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (reason) {
    throw new StatusError(
      Code.InvalidArgument,
      `Cannot read the scenario ${file}: ${errnoOf(reason) ?? String(reason)}`,
    );
  }
}

async function create(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'w');
  } catch (reason) {
    throw new StatusError(Code.InvalidArgument, `Cannot write ${file}: ${errnoOf(reason) ?? String(reason)}`);
  }
}

function headOf({ invocations }: Scenario): string {
  const kinds = invocations.map(({ name }) => `running ${name}`);
  return `${['order', 'seconds', 'waiting', 'running', 'done', ...kinds].join(',')}\n`;
}

function lineOf(order: Order, { atMs, waiting, running, done, runningByKind }: Sample): string {
  return `${[order, atMs / 1000, waiting, running, done, ...runningByKind].join(',')}\n`;
}
