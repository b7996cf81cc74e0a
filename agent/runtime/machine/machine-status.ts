/** What one machine says of itself at run time, for health; which phase means what is drawn in machine.ts. */
import type { Link } from "../../contract/source.ts";
import type { UnixMs } from "../../contract/time.ts";
import type { SourceClockStatus } from "../time/source-clock-health.ts";

export type Phase = "starting" | "following" | "holding" | "blind" | "stopped";

export interface MachineStatus extends SourceClockStatus {
  readonly phase: Phase;
  readonly link: Link;
  readonly peer: string | null;
  readonly caughtUp: boolean;
  readonly lateReadings: number;
  /** Start of the hole that the source may still serve, or is serving. */
  readonly holeSince: UnixMs | null;
  /** Through which event time, and which row, this machine's first revisions are complete. */
  readonly complete: { readonly time: UnixMs; readonly seq: number } | null;
  readonly lastBatchAt: UnixMs | null;
}
