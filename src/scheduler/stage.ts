/** How far a Job is. The numbers of `ExecutionStage.Value`; CACHE_CHECK is over before a Job exists. */
export const Stage = { Queued: 2, Executing: 3, Completed: 4 } as const;

/** One of the numbers of {@link Stage}. */
export type Stage = (typeof Stage)[keyof typeof Stage];

/** A lost Lease sends a Job back from executing to queued. */
const successors: Readonly<Record<Stage, readonly Stage[]>> = {
  [Stage.Queued]: [Stage.Executing, Stage.Completed],
  [Stage.Executing]: [Stage.Queued, Stage.Completed],
  [Stage.Completed]: [],
};

const stages = Object.values(Stage);

/** The stages from which a Job may come to `stage`: the condition of every change of stage. */
export function predecessorsOf(stage: Stage): readonly Stage[] {
  return stages.filter((each) => successors[each].includes(stage));
}
