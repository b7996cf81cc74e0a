/**
 * What a command on the same computer may ask the running agent: a table of verbs, each with the exact shape of what it
 * takes. Numbers are of the current buffer file: a request may name its `epoch`, to be refused after a change of file.
 */
import type { Answer, Outbox } from "../../contract/outbox.ts";
import { decode, inWords, optional, type Shape } from "../../contract/shape.ts";
import { integer, object, oneOf, text } from "../../contract/shapes.ts";
import type { Reply, Request } from "./control.ts";
import type { HeldSources } from "./held-sources.ts";

export interface ControlledAgent {
  readonly outbox: Outbox;
  /** Names of the configured destinations. */
  readonly destinations: readonly string[];
  /** All the agent knows of itself: what the heartbeat says, and each machine's health. */
  readonly health: () => object;
  readonly sources: Pick<HeldSources, "list" | "registers">;
}

const DEAD_LETTERS = 200;
const MOST_DEAD_LETTERS = 1_000;

const destination = text({ description: "destination by its name in the YAML", maxLength: 256 });
const seq = (description: string): Shape<number> => integer({ description, minimum: 1 });
const UNIT = integer({ description: "unit id", minimum: 0, maximum: 255 });
const REGISTER = integer({ description: "register, as on the wire, from 0", minimum: 0, maximum: 65_535 });
const letters = object({ destination, fromSeq: seq("first number of the range, as buffer.dead shows it") });

export function controlVerbs({ outbox, destinations, health, sources }: ControlledAgent): (request: Request) => Reply | Promise<Reply> {
  const known = <Args extends { readonly destination: string }>(then: (args: Args) => Reply) => (args: Args): Reply =>
    destinations.includes(args.destination) ? then(args) : refused(`there is no destination ${JSON.stringify(args.destination)}; there ${destinations.length === 1 ? "is" : "are"} ${destinations.join(", ")}`);
  const verbs = new Map<string, (args: unknown) => Reply | Promise<Reply>>([
    ["status", taking(object({}), () => ({ ok: true, result: health() }))],
    ["buffer.status", taking(object({}), () => ({ ok: true, result: outbox.status() }))],
    ["buffer.replay", taking(object({
      destination, from: seq("first number"), to: optional(seq("last number, inclusive; default: the newest")), epoch: optional(text({ description: "buffer file the numbers are of" })),
    }), known(({ destination: name, from, to, epoch }) => replyOf(outbox.replay(name, epoch ?? outbox.epoch, from, to ?? Math.max(from, outbox.status().lastSeq)))))],
    ["buffer.dead", taking(object({ limit: optional(integer({ description: "at most so many", minimum: 1, maximum: MOST_DEAD_LETTERS })) }), ({ limit }) => ({ ok: true, result: outbox.deadLetters(limit ?? DEAD_LETTERS) }))],
    ["buffer.release", taking(letters, known(({ destination: name, fromSeq }) => replyOf(outbox.release(name, fromSeq))))],
    ["buffer.purge", taking(letters, known(({ destination: name, fromSeq }) => replyOf(outbox.purge(name, fromSeq))))],
    ["sources", taking(object({}), () => ({ ok: true, result: sources.list() }))],
    ["source.registers", taking(object({ machine: text({ description: "machine by its id", maxLength: 256 }), unit: UNIT, table: oneOf(["holding", "input"]), address: REGISTER }), async ({ machine, ...question }) =>
      ({ ok: true, result: await sources.registers(machine, question) }))],
  ]);
  return ({ verb, ...args }) => verbs.get(verb)?.(args) ?? refused(`unknown verb ${JSON.stringify(verb.slice(0, 60))}; there are ${[...verbs.keys()].join(", ")}`);
}

const refused = (reason: string): Reply => ({ ok: false, reason });
const replyOf = (answer: Answer): Reply => (answer.ok ? { ok: true, result: { rows: answer.rows } } : answer);
const taking = <Args>(shape: Shape<Args>, run: (args: Args) => Reply | Promise<Reply>) => (given: unknown): Reply | Promise<Reply> => {
  const decoded = decode(shape, given);
  return decoded.ok ? run(decoded.value) : refused(decoded.problems.slice(0, 5).map(inWords).join("; "));
};
