import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../common/status-error.js';

/** A command that was started, so that it can be found again after a crash although process ids are reused. */
export interface ProcessRecord {
  /** Of the leader of its own process group and session. */
  readonly pid: number;
  /** In clock ticks since the machine was booted. */
  readonly startTime: number;
  /** The boot and the process namespace that the two are numbers of. */
  readonly epoch: string;
}

interface ProcessState {
  readonly pid: number;
  readonly isZombie: boolean;
  readonly group: number;
  readonly session: number;
  readonly startTime: number;
}

/** Describes a process that is running now; `undefined` if it is gone already. Synchronous: a crash must not come between. */
export function recordProcess(pid: number): ProcessRecord | undefined {
  try {
    const { startTime } = parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return { pid, startTime, epoch: currentEpoch() };
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT' || errnoOf(reason) === 'ESRCH') return undefined;
    throw reason;
  }
}

/** Ends what is left of a recorded command: its group and its session. Does nothing if its number is another's by now. */
export async function killRecorded(record: ProcessRecord): Promise<void> {
  if (record.epoch !== currentEpoch()) return;
  // What forks while it is being killed is found in the next round.
  for (let round = 0; round < 50; round += 1) {
    const members = await membersOf(record);
    if (members.length === 0) return;
    for (const pid of members) kill(pid);
    await delay(10);
  }
}

async function membersOf({ pid, startTime }: ProcessRecord): Promise<number[]> {
  const states = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(readState));
  const known = states.filter((state) => state !== undefined);
  const leader = known.find((state) => state.pid === pid);
  if (leader && leader.startTime !== startTime) return [];
  return known
    .filter((state) => !state.isZombie && state.startTime >= startTime)
    .filter((state) => state.group === pid || state.session === pid)
    .map((state) => state.pid);
}

async function readState(pid: string): Promise<ProcessState | undefined> {
  try {
    return parseStat(Number(pid), await readFile(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined; // It ended while the list was read.
  }
}

/** The name stands in parentheses and may hold any of them, so that only what follows the last one counts. */
function parseStat(pid: number, text: string): ProcessState {
  const [state, , group, session, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, isZombie: state === 'Z', group: Number(group), session: Number(session), startTime: Number(rest[15]) };
}

function currentEpoch(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (reason) {
    if (errnoOf(reason) !== 'ESRCH') throw reason;
  }
}
