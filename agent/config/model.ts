/** What a configuration file means once decoded: frozen, plain, with every default filled in. */
import type { RecordType } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { Place } from "../contract/source.ts";

export type Environment = "production" | "test";

export interface AgentSettings {
  readonly id: string;
  readonly enterprise?: string;
  readonly site?: string;
  readonly area?: string;
  readonly cell?: string;
  readonly timezone: string;
  readonly dataDir: string;
  /** How long after a start data waits for the system clock to be set. */
  readonly clockWaitMs: number;
  readonly environment: Environment;
  readonly owner?: { readonly name: string; readonly contact: string; readonly escalation?: string };
}

/** What of the agent its drivers may use. */
export const placeOf = ({ agent }: { readonly agent: AgentSettings }): Place => ({ agentId: agent.id, dataDir: agent.dataDir });

/** `buffer:`; bytes and milliseconds. */
export interface BufferSettings {
  readonly budgetBytes: number;
  /** 0 to 1 of the file system. */
  readonly keepFree: number;
  readonly historyMs: number;
  readonly healWindowMs: number;
  readonly card: { readonly enduranceBytes: number; readonly lifeMs: number } | null;
}

/** `config` is what the kind's own shape decoded (`agent/registry.ts` knows the kinds). */
export interface DestinationSettings {
  readonly kind: string;
  readonly name: string;
  /** Its bridge confirms what it has stored: from the start, a row given up unconfirmed is a loss. */
  readonly confirm: boolean;
  /** Which record types are due to it; null: all. Loss records always are. */
  readonly types: readonly RecordType[] | null;
  /** Most of the buffer that may wait for it alone; null: no bound of its own. */
  readonly limitBytes: number | null;
  readonly config: unknown;
  /** Where it stands in the file: for messages at run time. */
  readonly line: number;
}

/** source: the source's stamps as they are; shifted: by one constant per session; gateway: our clock; auto: source within the tolerance, else shifted. */
export type TimePolicy = "auto" | "source" | "shifted" | "gateway";

export interface SourceSettings {
  readonly kind: string;
  /** Unique within the machine; default: the kind. */
  readonly name: string;
  readonly config: unknown;
  readonly time: TimePolicy;
  readonly clockToleranceMs: number;
  /** How long the ledger waits for a source that may still hold what was missed (design.md §3). */
  readonly refillHoldMs: number;
  readonly line: number;
}

export interface MachineSettings {
  readonly id: string;
  readonly description?: string;
  /** Code in the ERP; travels in the record's context, never in a topic. */
  readonly workCenter?: string;
  readonly rules: MachineRules;
  readonly sources: readonly SourceSettings[];
  readonly line: number;
}

export interface Configuration {
  readonly agent: AgentSettings;
  readonly buffer: BufferSettings;
  readonly destinations: readonly DestinationSettings[];
  readonly machines: readonly MachineSettings[];
}
