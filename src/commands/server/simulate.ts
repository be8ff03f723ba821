import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { presentSimulation, type SimulationOutcome } from '../../cli/present-simulation.js';
import { Progress } from '../../cli/progress.js';

const orders = ['fair', 'fifo'] as const;

export default class ServerSimulate extends BaseCommand {
  static override summary = 'Simulate how jobs are ordered, with as many bots and builds as you like.';

  static override description = `Runs the server's own ranks and matching in simulated time, and prints for each kind of invocation how long its jobs wait and how many times as long it takes as it would alone. SCENARIO is a YAML file, or the name of one that comes with bgd: fair-share, priorities, platforms, singles, locality.

The same seed gives the same figures.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --order fair --order fifo --csv run.csv scenario.yml',
    '<%= config.bin %> <%= command.id %> --bots 100 --jobs 10000 priorities',
  ];

  static override args = {
    scenario: Args.string({ description: 'YAML file, or the name of a scenario.', default: 'fair-share' }),
  };

  static override flags = {
    bots: Flags.integer({
      env: 'BGD_BOTS',
      min: 1,
      max: 1_000_000,
      summary: 'So many bots in all, in the proportions of the scenario.',
    }),
    jobs: Flags.integer({
      env: 'BGD_JOBS',
      min: 1,
      max: 10_000_000,
      summary: 'So many jobs in all, in the proportions of the scenario.',
    }),
    order: Flags.option({
      options: orders,
      multiple: true,
      multipleNonGreedy: true,
      default: ['fair'],
      summary: 'As the server orders jobs, or first come, first served within each priority, to compare; or both.',
    })(),
    seed: Flags.integer({ env: 'BGD_SEED', default: 1, summary: 'What all that is random follows from.' }),
    csv: Flags.string({ env: 'BGD_CSV', summary: 'Write the state over time to this file, to plot it.' }),
  };

  async run(): Promise<readonly SimulationOutcome[]> {
    const { args, flags } = await this.parse(ServerSimulate);
    const { runSimulation } = await import('../../server/run-simulation.js');
    let startedAt = performance.now();
    using progress = new Progress();
    return await runSimulation(
      {
        file: this.#fileOf(args.scenario),
        bots: flags.bots,
        jobs: flags.jobs,
        seed: flags.seed,
        orders: flags.order,
        csv: flags.csv,
        onProgress: progress.showing(({ order, done, jobs }) => `order ${order}: ${done} of ${jobs} jobs done`),
        onReport: (report) => {
          progress.clear();
          this.log(presentSimulation(report, performance.now() - startedAt));
          startedAt = performance.now();
        },
      },
      this.signal,
    );
  }

  #fileOf(scenario: string): string {
    const builtIn = join(this.config.root, 'docs/scenarios', `${scenario}.yml`);
    return !existsSync(scenario) && existsSync(builtIn) ? builtIn : scenario;
  }
}
