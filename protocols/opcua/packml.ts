/**
 * PackML units as OPC 30050 describes them (opcua.md §2.4): three state machines, one within the other, of which the
 * innermost that is active says what the unit does. Its counts are structures, which are not read: a plain counter of the
 * PLC is a configured point.
 */
import type { Execution, Reading } from "../../agent/contract/observation.ts";
import { LinkError } from "../../agent/contract/errors.ts";
import { decodeNodeId, decodeStep, type Address } from "./address.ts";
import { hostOf, type OpcuaConfig } from "./config.ts";
import { stateOf, type StateRow } from "./finite-state.ts";
import { walk } from "./nodes.ts";
import { OBJECTS, type Change, type Explorer, type Profile, type Translator, type Wanted } from "./profile.ts";
import { marks, readingOf } from "./translate.ts";
import type { Sample } from "./values.ts";

const MODEL = "http://opcfoundation.org/UA/PackML/";
const row = (number: number, name: string, id: number): StateRow => ({ number, name, id: `nsu=${MODEL};i=${id}` });
/** §2.4; node ids of the model's own states, version 1.01. */
export const PACKML_STATES: readonly StateRow[] = [
  row(1, "Clearing", 55), row(2, "Stopped", 53), row(3, "Starting", 29), row(4, "Idle", 28), row(5, "Suspended", 31), row(6, "Execute", 36), row(7, "Stopping", 54), row(8, "Aborting", 61), row(9, "Aborted", 62),
  row(10, "Holding", 33), row(11, "Held", 34), row(12, "Unholding", 35), row(13, "Suspending", 30), row(14, "Unsuspending", 32), row(15, "Resetting", 27), row(16, "Completing", 37), row(17, "Complete", 38),
  row(18, "Running", 75), row(19, "Cleared", 71),
];
/** Held: by the unit's own trouble or its operator; suspended: by what is before or after it. Running and Cleared only hold others. */
const EXECUTION: Readonly<Record<number, Execution>> = {
  1: "STOPPED", 2: "STOPPED", 3: "ACTIVE", 4: "READY", 5: "WAIT", 6: "ACTIVE", 7: "STOPPED", 8: "STOPPED", 9: "STOPPED", 10: "FEED_HOLD", 11: "FEED_HOLD", 12: "FEED_HOLD", 13: "WAIT", 14: "WAIT", 15: "READY", 16: "ACTIVE", 17: "PROGRAM_COMPLETED",
};
const CONTAINERS: ReadonlySet<number> = new Set([18, 19]);
/** §2.4 ProductionMaintenanceModeEnum. */
const MODES = [
  { signal: "controller_mode", values: { 1: "AUTOMATIC", 2: "MANUAL", 3: "MANUAL" } },
  { signal: "functional_mode", values: { 1: "PRODUCTION", 2: "MAINTENANCE", 3: "SETUP" } },
] as const;

/** Outermost first. */
const MACHINES = [["BaseStateMachine"], ["BaseStateMachine", "MachineState"], ["BaseStateMachine", "MachineState", "ExecuteState"]] as const;
const PARTS = ["Id", "Number"] as const;
/** A unit lies a few steps under Objects; a tree that is larger is not searched through. */
const [DEPTH, VISITS] = [4, 300] as const;

export function packml(config: Pick<OpcuaConfig, "unit" | "url">): Profile {
  let namespaces: readonly string[] = [];
  return {
    name: "PackML",
    alarms: [],
    async find(explorer) {
      namespaces = explorer.namespaces;
      const unit = config.unit === undefined ? await search(explorer) : await walk(explorer, OBJECTS, config.unit.flatMap((text) => decodeStep(text) ?? []));
      if (unit === null) throw new LinkError("unsupported", { afterMs: 60_000 }, `OPC UA server at ${hostOf(config)}: no PackML unit (a node with BaseStateMachine) was found; name the way to it under unit`);
      return wantedOf(explorer, unit);
    },
    translator: () => new PackmlTranslator(namespaces),
  };
}

/** The first node that has a BaseStateMachine, level by level. The server's own diagnostics are passed over. */
async function search(explorer: Explorer): Promise<string | null> {
  let level: readonly string[] = [OBJECTS];
  for (let depth = 0, visits = 0; depth < DEPTH; depth++) {
    const next: string[] = [];
    for (const nodeId of level) {
      if (++visits > VISITS) return null;
      const children = await explorer.children(nodeId);
      if (children.some(({ name }) => name === "BaseStateMachine")) return nodeId;
      next.push(...children.filter(({ name }) => name !== "Server" && name !== "Aliases").map((child) => child.nodeId));
    }
    level = next;
  }
  return null;
}

async function wantedOf(explorer: Explorer, unit: string): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = [];
  const want = async (path: readonly string[], key: string, optional: boolean): Promise<void> => {
    const nodeId = await walk(explorer, unit, path.map((name) => ({ namespace: null, name })));
    const node = nodeId === null ? null : decodeNodeId(nodeId);
    const address: Address | null = node === null ? null : { by: "id", node };
    if (address !== null) wanted.push({ key, address, pace: "state", optional });
  };
  for (const [depth, path] of MACHINES.entries()) {
    for (const part of PARTS) await want([...path, "CurrentState", part], `${part}#${depth}`, depth > 0 || part !== "Id");
    await want([...path, "CurrentState"], `text#${depth}`, true);
  }
  await want(["Status", "UnitModeCurrent"], "mode", true);
  return wanted;
}

class PackmlTranslator implements Translator {
  readonly #namespaces: readonly string[];
  readonly #last = new Map<string, Sample>();
  #said: Execution | null | undefined;

  constructor(namespaces: readonly string[]) {
    this.#namespaces = namespaces;
  }

  wants(): readonly string[] {
    return [];
  }

  /** The three machines change within one instant: what they say is told once all of it is in. */
  take(changes: readonly Change[]): readonly Reading[] {
    const modes = changes.filter(({ key }) => key === "mode").flatMap((change) => MODES.map((point) => readingOf(point, change, {})));
    const states = changes.filter(({ key }) => key.includes("#"));
    // What was so at the beginning was so together, whenever each of them last changed.
    const told = [...Map.groupBy(states, ({ sample, initial }) => (initial ? -1 : sample.at ?? 0)).values()].flatMap((together) => {
      for (const { key, sample } of together) this.#last.set(key, sample);
      const last = together.at(-1);
      return last === undefined ? [] : this.#execution(last);
    });
    return [...modes, ...told];
  }

  #execution({ sample, initial }: Change): readonly Reading[] {
    const said = this.#innermost();
    if (said === this.#said) return [];
    const first = this.#said === undefined;
    this.#said = said;
    const common = { kind: "reading", signal: "execution", ...marks(sample, initial || first) } as const;
    return [said === null ? { ...common, quality: "UNAVAILABLE", value: null } : { ...common, quality: sample.quality === "UNCERTAIN" ? "UNCERTAIN" : "GOOD", value: said }];
  }

  /** A machine within another counts only while the one around it is in the state that holds it. */
  #innermost(): Execution | null {
    let said: Execution | null = null;
    for (const depth of MACHINES.keys()) {
      const state = stateOf({ id: this.#last.get(`Id#${depth}`), number: this.#last.get(`Number#${depth}`), text: this.#last.get(`text#${depth}`) }, PACKML_STATES, this.#namespaces);
      if (state === null) return said;
      said = EXECUTION[state] ?? null;
      if (!CONTAINERS.has(state)) return said;
    }
    return said;
  }
}
