/**
 * What a machine tool by OPC 40501 says, in our words (opcua.md §2.1, §2.2). Pure. Its codes are its own: channel state 0 is
 * active here, and reset on a SINUMERIK. Execution comes of the active program's state where there is one, checked against
 * the channel's; else of the channel's; else of the machine's (executing or not).
 */
import type { Execution, Reading } from "../../agent/contract/observation.ts";
import type { Point } from "../shared/points.ts";
import { stateOf, type StateRow } from "./finite-state.ts";
import type { Change, Translator } from "./profile.ts";
import { marks, readingOf } from "./translate.ts";
import type { Sample } from "./values.ts";

export interface FoundChannel {
  readonly number: number;
  readonly name: string;
}

const MACHINERY = "http://opcfoundation.org/UA/Machinery/";
const id = (number: number): string => `nsu=${MACHINERY};i=${number}`;
/** §2.1 MachineryItemState. */
export const ITEM_STATES: readonly StateRow[] = [
  { number: 0, name: "NotAvailable", id: id(5005) }, { number: 1, name: "OutOfService", id: id(5004) }, { number: 2, name: "NotExecuting", id: id(5007) }, { number: 3, name: "Executing", id: id(5006) },
];
/** §2.1 MachineryOperationMode. */
const OPERATION_MODES: readonly StateRow[] = [
  { number: 0, name: "None", id: id(5024) }, { number: 1, name: "Maintenance", id: id(5025) }, { number: 2, name: "Setup", id: id(5027) }, { number: 3, name: "Processing", id: id(5026) },
];
const FUNCTIONAL: Readonly<Record<number, string>> = { 1: "MAINTENANCE", 2: "SETUP", 3: "PRODUCTION" };

/** §2.2; what a row does not name has no word of ours. */
const DIRECT: Readonly<Record<string, Point & { readonly source: string }>> = {
  programName: { signal: "program", source: "§2.2 Production/ActiveProgram/Name" },
  parts: { signal: "part_count", source: "§2.2 Statistics/PartsProducedInLifetime" },
  ChannelMode: { signal: "controller_mode", values: { 0: "AUTOMATIC", 1: "MANUAL_DATA_INPUT", 2: "MANUAL", 3: "MANUAL", 4: "MANUAL", 5: "AUTOMATIC", 6: "MANUAL" }, source: "§2.2 ChannelMode" },
  FeedOverride: { signal: "feed_override", source: "§2.2 FeedOverride" },
  RapidOverride: { signal: "rapid_override", source: "§2.2 RapidOverride" },
  spindleOverride: { signal: "spindle_override", source: "§2.2 Override" },
};
/** Of the machine, where it has no channel. §2.2 OperationMode. */
const MODE: Point = { signal: "controller_mode", values: { 0: "MANUAL", 1: "AUTOMATIC", 2: "MANUAL", 3: "SEMI_AUTOMATIC", 4: "MANUAL" } };

/** §2.2 ActiveProgram/State/CurrentState/Number. */
const PROGRAM: Readonly<Record<number, Execution>> = { 0: "READY", 1: "ACTIVE", 2: "PROGRAM_COMPLETED", 3: "INTERRUPTED", 4: "STOPPED" };
const PROGRAM_RUNNING = 1;
/** §2.2 ChannelState. */
const CHANNEL: Readonly<Record<number, Execution>> = { 0: "ACTIVE", 1: "INTERRUPTED", 2: "READY" };
const CHANNEL_INTERRUPTED = 1;

/** What execution is made of. */
const EXECUTES = /^(?:programState$|ChannelState#|MachineryItemState)/u;

const numberOf = (sample: Sample | undefined): number | null => (typeof sample?.raw === "number" ? sample.raw : null);

export class MachineToolTranslator implements Translator {
  readonly #channels: readonly FoundChannel[];
  readonly #namespaces: readonly string[];
  readonly #last = new Map<string, Sample>();
  readonly #said = new Map<string, unknown>();

  constructor(channels: readonly FoundChannel[], namespaces: readonly string[]) {
    this.#channels = channels;
    this.#namespaces = namespaces;
  }

  wants(): readonly string[] {
    return [];
  }

  take(changes: readonly Change[]): readonly Reading[] {
    // What was so at the beginning was so together.
    for (const { initial, key, sample } of changes) if (initial) this.#last.set(key, sample);
    return changes.flatMap((change) => {
      this.#last.set(change.key, change.sample);
      const [key = "", channel] = change.key.split("#");
      const path = channel === undefined || this.#channels.length < 2 ? undefined : Number(channel);
      const point = key === "operationMode" && this.#channels.length === 0 ? MODE : DIRECT[key];
      const direct = point === undefined ? [] : [readingOf(point, change, path === undefined ? {} : { path })];
      return [...direct, ...this.#execution(change), ...this.#functional(change)];
    });
  }

  /** Told for each channel whose execution is another now. */
  #execution(change: Change): readonly Reading[] {
    if (!EXECUTES.test(change.key)) return [];
    const channels = this.#channels.length === 0 ? [null] : this.#channels;
    return channels.flatMap((channel) => {
      const number = channel?.number ?? 1;
      const path = this.#channels.length < 2 ? undefined : number;
      return this.#told(change, { signal: "execution", said: this.#executionOf(number), path });
    });
  }

  #executionOf(channel: number): Execution | null {
    const state = numberOf(this.#last.get(`ChannelState#${channel}`));
    // The program is the first channel's; other channels have their state alone.
    const program = channel === 1 ? numberOf(this.#last.get("programState")) : null;
    if (program === PROGRAM_RUNNING && state === CHANNEL_INTERRUPTED) return "INTERRUPTED";
    if (program !== null) return PROGRAM[program] ?? null;
    if (state !== null) return CHANNEL[state] ?? null;
    const item = stateOf({ id: this.#last.get("MachineryItemStateId"), number: this.#last.get("MachineryItemStateNumber") }, ITEM_STATES, this.#namespaces);
    return item === 3 ? "ACTIVE" : item === 2 ? "READY" : null;
  }

  #functional(change: Change): readonly Reading[] {
    if (!change.key.startsWith("MachineryOperationMode")) return [];
    const mode = stateOf({ id: this.#last.get("MachineryOperationModeId"), number: this.#last.get("MachineryOperationModeNumber") }, OPERATION_MODES, this.#namespaces);
    const said = mode === null ? null : FUNCTIONAL[mode] ?? null;
    // A machine that never told one has none; one that told it and tells it no longer is not known.
    return said === null && !this.#said.has("functional_mode#") ? [] : this.#told(change, { signal: "functional_mode", said });
  }

  #told({ sample, initial }: Change, { signal, said, path }: { readonly signal: string; readonly said: string | null; readonly path?: number | undefined }): readonly Reading[] {
    const key = `${signal}#${path ?? ""}`;
    const first = !this.#said.has(key);
    if (this.#said.get(key) === said && !first) return [];
    this.#said.set(key, said);
    const common = { kind: "reading", signal, ...marks(sample, initial || first), ...(path !== undefined && { path }) } as const;
    return [said === null ? { ...common, quality: "UNAVAILABLE", value: null } : { ...common, quality: sample.quality === "UNCERTAIN" ? "UNCERTAIN" : "GOOD", value: said }];
  }
}
