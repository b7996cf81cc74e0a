/**
 * Where a value lies in a server: by node id with the namespace's URI (`nsu=SinumerikVarProvider;s=/Channel/State/progStatus`),
 * because a server may number its namespaces anew at any restart, or by the names of the way to it. Pure.
 */

/** The namespace by URI, or by index where the configuration has nothing better. */
export interface NodeId {
  readonly namespace: string | number;
  /** With its kind: `s=Name`, `i=2258`, `g=…`, `b=…`. */
  readonly id: string;
}
/** One step of a browse path; null: the name in any namespace. */
export interface Step {
  readonly namespace: string | null;
  readonly name: string;
}
export type Address =
  | { readonly by: "id"; readonly node: NodeId }
  /** From the Objects folder. */
  | { readonly by: "path"; readonly steps: readonly Step[] };

export const NODE_EXPECTED = "a node id: nsu=NAMESPACE-URI;s=NAME, nsu=NAMESPACE-URI;i=NUMBER, or ns=INDEX;s=NAME";
const ID = /^(?:nsu=(?<uri>[^;]{1,512});|ns=(?<index>\d{1,5});)?(?<id>[sigb]=.{1,1024})$/su;
const STEP = /^(?:nsu=(?<uri>[^;]{1,512});)?(?<name>.{1,512})$/su;

/** Null: it is none. Without a namespace it is the standard one. */
export function decodeNodeId(text: string): NodeId | null {
  const { uri, index, id } = ID.exec(text)?.groups ?? {};
  if (id === undefined || (id.startsWith("i=") && !/^i=\d{1,10}$/u.test(id))) return null;
  return { namespace: uri ?? Number(index ?? 0), id };
}

export function decodeStep(text: string): Step | null {
  const { uri, name } = STEP.exec(text)?.groups ?? {};
  return name === undefined ? null : { namespace: uri ?? null, name };
}

/** As the wire library takes it, by this session's namespaces; null: the server does not have the namespace. */
export function inSession({ namespace, id }: NodeId, namespaces: readonly string[]): string | null {
  const index = typeof namespace === "number" ? namespace : namespaces.indexOf(namespace);
  return index < 0 ? null : `ns=${index};${id}`;
}

/** A node id of this session (`ns=4;i=5006`, `i=85`) by its namespace's URI, so that it can be compared with what a specification says. */
export function byUri(nodeId: string, namespaces: readonly string[]): string {
  const decoded = decodeNodeId(nodeId);
  const uri = typeof decoded?.namespace === "number" ? namespaces[decoded.namespace] : undefined;
  return decoded === null || uri === undefined ? nodeId : `nsu=${uri};${decoded.id}`;
}

/** For messages. */
export const addressWords = (address: Address): string => (address.by === "path"
  ? address.steps.map(({ name }) => name).join(" / ")
  : `${typeof address.node.namespace === "number" ? `ns=${address.node.namespace}` : `nsu=${address.node.namespace}`};${address.node.id}`);
