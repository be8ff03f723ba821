import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Whether a run that must be whole may leave something out: the capabilities that `BGD_CI_ALLOW_MISSING` names. Unset, as
 * on a developer's machine, everything may be left out.
 */
const allowed = process.env['BGD_CI_ALLOW_MISSING']?.split(/[\s,]+/);

const missing = new WeakSet<object>();

/** Skips the suite or test of `context`, saying so in one line, where this machine lacks `program`. */
export function needsProgram(context: Mocha.Context, program: string, leftOut: string): void {
  if (!isOnPath(program)) leaveOut(context, program, `${leftOut} (${program} is not installed)`);
}

/** Skips the suite or test of `context`, saying so in one line; fails where `capability` must not be missing. */
export function leaveOut(context: Mocha.Context, capability: string, leftOut: string): void {
  if (allowed && !allowed.includes(capability)) {
    throw new Error(`Not to be left out: ${leftOut}. Install it, or name ${capability} in BGD_CI_ALLOW_MISSING.`);
  }
  process.stderr.write(`Left out: ${leftOut}\n`);
  const { test } = context;
  const skipped = test && 'type' in test && test.type === 'hook' ? test.parent : test;
  if (skipped) missing.add(skipped);
  context.skip();
}

/** Whether `test` was skipped by {@link leaveOut}, itself or with its suite. */
export function isLeftOut(test: Mocha.Test): boolean {
  for (let suite = test.parent; suite; suite = suite.parent) if (missing.has(suite)) return true;
  return missing.has(test);
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
