import { writeFileSync } from 'node:fs';
import { isLeftOut } from './capabilities.js';

/** How a run of the suite ended, for whoever must not overlook a skipped test. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Skipped for a reason that the run allows. */
  readonly leftOut: number;
  /** Titles of tests that are skipped for no such reason. */
  readonly skipped: readonly string[];
}

function allTests(suite: Mocha.Suite): Mocha.Test[] {
  return [...suite.tests, ...suite.suites.flatMap(allTests)];
}

/** Root hooks of mocha (`--require`): writes the {@link Outcome} to the file that `BGD_TEST_OUTCOME` names. */
export const mochaHooks = {
  afterAll(this: Mocha.Context): void {
    const file = process.env['BGD_TEST_OUTCOME'];
    const root = this.test?.parent;
    if (!file || !root) return;
    const tests = allTests(root);
    const pending = tests.filter((test) => test.isPending());
    const outcome: Outcome = {
      passed: tests.filter((test) => test.isPassed()).length,
      // A test whose hook failed never ran: that is no pass.
      failed: tests.filter((test) => !test.isPassed() && !test.isPending()).length,
      leftOut: pending.filter(isLeftOut).length,
      skipped: pending.filter((test) => !isLeftOut(test)).map((test) => test.fullTitle()),
    };
    writeFileSync(file, JSON.stringify(outcome));
  },
};
