import { presentTable } from './present-table.js';

/** What was done to the tables of one component; as `MigrationReport` of the server. */
export interface MigrationLine {
  readonly database: string;
  readonly component: string;
  readonly version: number;
  readonly neededVersion: number;
  readonly missing: readonly string[];
}

/** A table of what was done, or would be. */
export function presentMigrations(lines: readonly MigrationLine[], isDryRun: boolean): string {
  const verb = isDryRun ? 'would be done' : 'done';
  return presentTable(
    ['COMPONENT', 'VERSION', 'STEPS', 'DATABASE'],
    lines.map(({ component, version, neededVersion, missing, database }) => [
      component,
      version === neededVersion ? String(version) : `${version} to ${neededVersion}`,
      missing.length === 0 ? 'up to date' : `${missing.length} ${verb}`,
      database,
    ]),
  );
}
