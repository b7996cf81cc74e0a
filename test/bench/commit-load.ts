/** Load on the buffer: machines that commit prepared records with their checkpoint, several commits in flight each. */
import type { Commit, Outbox } from "../../agent/contract/outbox.ts";
import { unixMs } from "../../agent/contract/time.ts";
import { uuid } from "../buffer/records.ts";
import { SAMPLE_CONTEXT, SAMPLES } from "../support/sample-records.ts";

export const MACHINES = 10;
export const RECORDS_PER_COMMIT = 10;
/** About what detectors of one machine keep: state, open cycle, counters, source position. */
const CHECKPOINT_BYTES = 1_500;
const MIX = [SAMPLES.state, SAMPLES.state, SAMPLES.state, SAMPLES.state, SAMPLES.cycle, SAMPLES.count, SAMPLES.alarm, SAMPLES.state, SAMPLES.downtime, SAMPLES.state] as const;

/** `from`: how many were prepared before, when they are too many to be made at once. */
export function prepareCommits(records: number, from = 0): readonly Commit[] {
  return Array.from({ length: records / RECORDS_PER_COMMIT }, (_, at): Commit => {
    const index = from / RECORDS_PER_COMMIT + at;
    const key = `VMC-${index % MACHINES}`;
    return {
      machine: key, context: JSON.stringify({ ...SAMPLE_CONTEXT, equipment: { ...SAMPLE_CONTEXT.equipment, machine: key } }),
      records: MIX.map((sample, position) => ({ ...sample, id: uuid(index * RECORDS_PER_COMMIT + position) })),
      checkpoint: { key, json: JSON.stringify({ index, state: "s".repeat(CHECKPOINT_BYTES) }) },
      observedAt: unixMs(1_780_000_000_000 + index),
    };
  });
}

/** Commits all, at most `inFlight` at a time; resolves when the last is stored. */
export async function commitAll(outbox: Outbox, commits: readonly Commit[], inFlight: number): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let commit = commits[next++]; commit; commit = commits[next++]) await outbox.commit(commit);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}
