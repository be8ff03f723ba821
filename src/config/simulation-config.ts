import { z } from 'zod';
import { parseYaml } from './parse-yaml.js';
import { eachNameOnce } from './values.js';

/** Beyond this no machine has the memory. */
const maxJobs = 10_000_000;
const maxBots = 1_000_000;

const seconds = z.number().min(0);

const properties = z.array(z.string().regex(/^[^=]+=.+$/, 'a property is NAME=VALUE')).default([]);

const duration = z.strictObject({
  mean: seconds.default(10),
  distribution: z.enum(['constant', 'exponential', 'lognormal']).default('lognormal'),
  sigma: z.number().min(0).max(5).default(1),
});

const bots = z.strictObject({
  count: z.int().min(1).max(maxBots),
  properties,
});

const invocations = z.strictObject({
  // It heads a column of a CSV file.
  name: z.string().regex(/^[\w. -]+$/, 'a name is made of letters, digits, spaces, and the signs . _ -'),
  count: z.int().min(1).max(maxJobs).default(1),
  start: seconds.default(0),
  every: seconds.default(0),
  jobs: z.int().min(1).max(maxJobs),
  priority: z
    .int()
    .min(-(2 ** 31))
    .max(2 ** 31 - 1)
    .default(0),
  platform: properties,
  duration: duration.prefault({}),
  parallelism: z.int().min(1).optional(),
  jobsPerTarget: z.int().min(1).default(1),
});

const simulation = z.strictObject({
  bots: z.array(bots).min(1),
  invocations: z
    .array(invocations)
    .min(1)
    .superRefine(eachNameOnce)
    .superRefine((all, context) => {
      const jobs = all.reduce((sum, each) => sum + each.count * each.jobs, 0);
      if (jobs > maxJobs) context.addIssue({ code: 'custom', message: `${jobs} jobs are more than ${maxJobs}` });
    }),
});

/** A scenario for `bgd server simulate`. */
export type SimulationConfig = z.infer<typeof simulation>;

/** Parses a scenario. Throws a `ConfigError` with everything that is wrong with it. */
export function parseSimulationConfig(text: string, fileName: string): SimulationConfig {
  return parseYaml(text, { fileName, schema: simulation, environment: {}, tags: new Set() }).data;
}
