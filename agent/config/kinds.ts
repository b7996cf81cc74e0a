/** The kinds of sources and destinations a configuration may name; `agent/registry.ts` lists them and hands them in. */
import type { DestinationKind } from "../contract/destination.ts";
import type { SourceKind } from "../contract/source.ts";

export interface Kinds {
  readonly sources: readonly SourceKind<unknown>[];
  readonly destinations: readonly DestinationKind<unknown>[];
}
