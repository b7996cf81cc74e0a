/**
 * A capture through the same pipeline as live running, without buffer, network or clock: the same records each time.
 * Live values are left out. What is still open at the end of the capture stays open.
 */
import type { Detector } from "../contract/detector.ts";
import type { NewRecord } from "../contract/record.ts";
import type { MachineSettings, SourceSettings } from "../config/model.ts";
import type { Captured } from "./capture.ts";
import { createPipeline } from "./machine/pipeline.ts";

export interface ReplayParts<State> {
  readonly settings: MachineSettings;
  readonly source: SourceSettings;
  readonly detector: Detector<State>;
}

/** Yields records in the order in which the machine would have committed them. */
export async function* replay<State>({ settings, source, detector }: ReplayParts<State>, captured: AsyncIterable<Captured>): AsyncGenerator<NewRecord, void, void> {
  const pipeline = createPipeline(settings, source, detector);
  let state = pipeline.initial();
  for await (const { batch, arrival } of captured) {
    const [next, findings] = pipeline.batch(state, batch, arrival);
    state = next;
    for (const finding of findings) if (finding.kind === "record") yield finding.record;
  }
}

/** One line as replay prints it: a CloudEvent without what only a run has. `context` is the machine's RecordContext. */
export function recordLine(record: NewRecord, context: object, machine: string): string {
  const data = { schema: `${record.type}/1`, recordId: record.id, rev: record.rev, ...context, ...record.body };
  return JSON.stringify({ specversion: "1.0", id: `${record.id}:${record.rev}`, source: machine, type: `io.cellgate.${record.type}.v1`, time: record.body.start, datacontenttype: "application/json", data });
}
