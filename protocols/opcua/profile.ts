/**
 * What a kind of server offers by itself: which nodes to follow, and what their values say in our words. A profile finds
 * its nodes anew in each session; its translator holds the last values of that session and nothing else.
 */
import type { Reading } from "../../agent/contract/observation.ts";
import type { Address } from "./address.ts";
import type { Sample } from "./values.ts";

/** One node to follow. */
export interface Wanted {
  /** Within the profile: "progStatus", with the channel where there are several. */
  readonly key: string;
  readonly address: Address;
  /** States and counts are looked at often, measures seldom. */
  readonly pace: "state" | "measure";
  readonly samplingMs?: number;
  readonly queue?: number;
  readonly deadband?: number;
  readonly element?: number;
  /** Not every machine has it: that it is not there is no trouble. */
  readonly optional: boolean;
  /** Read when the translator wants it, not followed. */
  readonly onDemand?: true;
}
/** A value that came. */
export interface Change {
  readonly key: string;
  readonly sample: Sample;
  /** The first of this node in this session: so already when we began to look. */
  readonly initial: boolean;
}
export interface Reference {
  readonly nodeId: string;
  readonly name: string;
  /** The browse name's namespace, by URI. */
  readonly namespace: string;
  /** By its namespace's URI: `nsu=URI;i=13`; empty where the server does not say. */
  readonly type: string;
}
/** What a profile may ask while it looks for its nodes. */
export interface Explorer {
  readonly namespaces: readonly string[];
  /** What lies under a node: hierarchical references, forward. */
  children(nodeId: string): Promise<readonly Reference[]>;
}
export interface Translator {
  /** What must be read before these changes can be told: evidence of why a program stopped. */
  wants(changes: readonly Change[]): readonly string[];
  /** In order of time. `evidence`: what was read because it was wanted, as it was after the last of them. */
  take(changes: readonly Change[], evidence: readonly Change[]): readonly Reading[];
}
export interface Profile {
  /** For people. */
  readonly name: string;
  /** Throws LinkError when the server is not of this kind. */
  find(explorer: Explorer): Promise<readonly Wanted[]>;
  translator(): Translator;
  /** Objects whose events are its alarms: the first that the server has counts; none: it has no alarms. */
  readonly alarms: readonly Address[];
}

export const OBJECTS = "ns=0;i=85";
