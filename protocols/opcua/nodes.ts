/** Which of the wanted nodes a server really has in this session, by id or by the names of the way to it; what it has not is asked for again. */
import { LinkError } from "../../agent/contract/errors.ts";
import { addressWords, inSession, type Address, type Step } from "./address.ts";
import type { ReadOnly } from "./guard.ts";
import { OBJECTS, type Explorer, type Reference, type Wanted } from "./profile.ts";

export interface Located {
  readonly wanted: Wanted;
  readonly nodeId: string;
}
export interface Missing {
  readonly wanted: Wanted;
  /** Why: a status, or that the way to it ends. */
  readonly why: string;
}
export interface Found {
  readonly present: readonly Located[];
  readonly missing: readonly Missing[];
}

/** Part 6 §5.1.2: ExtensionObject. */
const STRUCTURE = 22;
/** A node with such a status is not there for us: following it would bring nothing. Others may only wait for their first value. */
const ABSENT: ReadonlySet<string> = new Set([
  "BadNodeIdUnknown", "BadNodeIdInvalid", "BadAttributeIdInvalid", "BadUserAccessDenied", "BadNotReadable", "BadRequestNotAllowed", "BadNotSupported", "BadInternalError", "BadNotFound", "BadIndexRangeInvalid", "BadIndexRangeNoData",
]);
export const isAbsent = (status: string): boolean => ABSENT.has(status);
/** The user may not: rights, not nodes, are missing. */
const DENIED: ReadonlySet<string> = new Set(["BadUserAccessDenied", "BadNotReadable", "BadRequestNotAllowed", "BadInternalError"]);

/** Children are asked for once: paths of one machine share most of their way. */
export function explorerOf(guard: ReadOnly, signal: AbortSignal): Explorer {
  const known = new Map<string, Promise<readonly Reference[]>>();
  return {
    namespaces: guard.namespaces,
    children(nodeId) {
      const asked = known.get(nodeId) ?? guard.children(nodeId, signal);
      known.set(nodeId, asked);
      return asked;
    },
  };
}

export async function locate(guard: ReadOnly, explorer: Explorer, wanted: readonly Wanted[], signal: AbortSignal): Promise<Found> {
  const missing: Missing[] = [];
  const located: Located[] = [];
  for (const one of wanted) {
    const nodeId = await nodeIdOf(explorer, one.address);
    if (nodeId === null) missing.push({ wanted: one, why: one.address.by === "path" ? "there is no such way" : "the server does not have the namespace" });
    else located.push({ wanted: one, nodeId });
  }
  const values = await guard.read(located.map(({ nodeId }) => nodeId), signal);
  const present = located.filter(({ wanted: one }, index) => {
    const value = values[index];
    const status = value?.statusCode.name ?? "no answer";
    // Followed, the library would ask the server for the structure's parts at each message.
    const why = value?.value?.dataType === STRUCTURE ? "a structure, which is not read: name one of its parts" : isAbsent(status) ? status : null;
    if (why !== null) missing.push({ wanted: one, why });
    return why === null;
  });
  return { present, missing };
}

async function nodeIdOf(explorer: Explorer, address: Address): Promise<string | null> {
  return address.by === "id" ? inSession(address.node, explorer.namespaces) : walk(explorer, OBJECTS, address.steps);
}

/** Null: the way ends before its last step. */
export async function walk(explorer: Explorer, from: string, steps: readonly Step[]): Promise<string | null> {
  let at = from;
  for (const { namespace, name } of steps) {
    const next = (await explorer.children(at)).find((child) => child.name === name && (namespace === null || child.namespace === namespace));
    if (next === undefined) return null;
    at = next.nodeId;
  }
  return at;
}

/** A connection that shows nothing of the machine is none. Throws LinkError. */
export function requireSomething({ present, missing }: Found, what: string, where: string): void {
  const required = missing.filter(({ wanted }) => !wanted.optional);
  if (required.length === 0 || present.some(({ wanted }) => !wanted.optional)) return;
  const denied = required.every(({ why }) => DENIED.has(why));
  const some = required.slice(0, 3).map(inWords).join("; ");
  throw new LinkError(denied ? "refused" : "unsupported", { afterMs: 30_000 }, `OPC UA server at ${where}: connected, but nothing of ${what} can be read (${some})${denied ? ": our user may not; on a SINUMERIK an anonymous or new user has no rights: give it StateRead and AlarmRead (GiveUserAccess)" : ": is this the right profile, and the machine's server complete? After a start it may take minutes"}`);
}

export const inWords = ({ wanted, why }: Missing): string => `${addressWords(wanted.address)}: ${why}`;
