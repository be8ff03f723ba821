/**
 * Lets scripts keep BuildGrid's variables: `BUILDGRID_<GROUP>_<OPTION>` and `BUILDGRID_<GROUP>_<SUB>_<OPTION>` of the
 * command that runs stand in for `BGD_<OPTION>` where that is not set. Changes `env`.
 */
export function adoptBuildGridEnvironment(env: NodeJS.ProcessEnv, argv: readonly string[]): void {
  const [group = '', sub = ''] = argv.map((word) => word.toUpperCase().replaceAll('-', '_'));
  for (const prefix of [`BUILDGRID_${group}_${sub}_`, `BUILDGRID_${group}_`]) {
    for (const [name, value] of Object.entries(env)) {
      if (!name.startsWith(prefix)) continue;
      const ours = `BGD_${name.slice(prefix.length)}`;
      // An empty variable counts as unset, for oclif too.
      if ((env[ours] ?? '') === '') env[ours] = value;
    }
  }
}
