/**
 * Sparkplug on a connection of its own, because the will of its CONNECT must be NDEATH and its session must be clean:
 * nothing here delays or settles a record. One loop: connect, subscribe, wait for the primary host if there is one, be
 * born, send until the link is lost, the host is gone or the agent stops; then die properly and begin again.
 *
 *   connecting ─► waiting for the host ─► born ─► lost ─► wait (1 s … 60 s) ─► connecting
 *                                          └─ host offline ─► NDEATH, DISCONNECT ─► (next broker) wait ─► connecting
 */
import type { Board, Latest, LiveOutput, Retained } from "../../../agent/contract/destination.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import type { Connection, Incoming } from "../connection.ts";
import type { BirthNumber } from "./birth-number.ts";
import type { EdgeNode } from "./edge-node.ts";
import type { SparkplugParts } from "./live.ts";
import { PrimaryHost } from "./primary-host.ts";

const FIRST_RETRY_MS = 1_000;
const MAXIMUM_RETRY_MS = 60_000;
/** Up this long: the link has proved itself, and the next one is tried soon. */
const STEADY_MS = 10_000;
const GOODBYE_MS = 1_000;
const SUBSCRIBE_MS = 10_000;
const OUR_FAULT_RETRY_MS = 60_000;

export interface OutputParts {
  readonly node: EdgeNode;
  readonly birthNumber: BirthNumber;
  readonly primaryHost: string | undefined;
  readonly open: SparkplugParts["open"];
  readonly brokers: number;
  readonly ports: Ports;
}
type HostView = "none" | "awaited" | "online" | "offline";

export function sparkplugOutput(parts: OutputParts): LiveOutput {
  return new SparkplugOutput(parts);
}

class SparkplugOutput implements LiveOutput {
  readonly #parts: OutputParts;
  readonly #host = new PrimaryHost();
  #link: "connecting" | "up" | "down" | "stopped" = "connecting";
  /** Why it is not up; and what the log was told last. */
  #problem: string | null = null;
  #logged: string | null = null;
  #hostView: HostView;
  #bdSeq: number | null = null;
  #turn = 0;
  /** Of the present session: ends it. */
  #end: (error: LinkError) => void = () => undefined;

  constructor(parts: OutputParts) {
    this.#parts = parts;
    this.#hostView = parts.primaryHost === undefined ? "none" : "awaited";
  }

  status(): object {
    return { kind: "sparkplug", link: this.#link, ...(this.#problem !== null && { message: this.#problem }), primaryHost: this.#hostView, bdSeq: this.#bdSeq, ...this.#parts.node.status() };
  }

  async run(board: Board, signal: AbortSignal): Promise<void> {
    const { ports } = this.#parts;
    const take = (values: readonly (Retained | Latest)[]): void => this.#guarded(() => this.#parts.node.take(values));
    take(board.all());
    const stopListening = board.onChange(take);
    let waitMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      this.#link = "connecting";
      const beganMs = ports.network.now().monoMs;
      const lost = await this.#session(signal).catch((error: unknown) => asLinkError(error));
      if (signal.aborted) break;
      this.#link = "down";
      if (ports.network.now().monoMs - beganMs >= STEADY_MS) [waitMs, this.#logged] = [FIRST_RETRY_MS, null];
      if (this.#logged !== lost.message) ports.log.warn({ fault: lost.fault, reason: lost.message }, "Sparkplug link lost: records are not touched by it");
      this.#problem = this.#logged = lost.message;
      const leastMs = typeof lost.retry === "object" ? lost.retry.afterMs : 0;
      await ports.network.sleep(Math.max(leastMs, waitMs * (0.5 + ports.random() / 2)), signal).catch(() => undefined); // An abort ends the wait.
      waitMs = Math.min(MAXIMUM_RETRY_MS, waitMs * 2);
    }
    stopListening();
    this.#link = "stopped";
  }

  /** One connection, from its CONNECT to its end. Resolves or rejects with why it ended. */
  async #session(signal: AbortSignal): Promise<LinkError> {
    const { node, birthNumber, primaryHost, ports } = this.#parts;
    const bdSeq = this.#bdSeq = await birthNumber.next();
    const connection = await this.#parts.open({ topic: node.topics.death, payload: node.death(bdSeq) }, this.#turn, signal).catch((error: unknown) => {
      this.#turn++;
      throw error;
    });
    if (primaryHost !== undefined) this.#hostView = "awaited";
    const ended = new Promise<LinkError>((resolve) => (this.#end = resolve));
    const onAbort = (): void => this.#end(new LinkError("lost", "never", "stopped"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    void connection.lost.then(({ error }) => this.#end(error));
    try {
      node.attach((topic, payload) => this.#send(connection, topic, payload), bdSeq);
      const refusal = await Promise.race([this.#subscribe(connection), ended]);
      if (refusal !== null) return refusal;
      if (primaryHost === undefined) this.#guarded(() => node.birth());
      this.#link = "up";
      this.#problem = null;
      ports.log.info({ bdSeq, primaryHost: this.#hostView }, "Sparkplug link up");
      return await ended;
    } finally {
      signal.removeEventListener("abort", onAbort);
      await this.#leave(connection, bdSeq);
    }
  }

  /** Null: all of it is granted. */
  async #subscribe(connection: Connection): Promise<LinkError | null> {
    const { node, primaryHost, ports } = this.#parts;
    const filters = [...node.topics.commands, ...(primaryHost === undefined ? [] : [`spBv1.0/STATE/${primaryHost}`])];
    const deadline = ports.network.deadline(SUBSCRIBE_MS, new AbortController().signal);
    const codes = await new Promise<readonly number[] | null>((resolve) => {
      deadline.signal.addEventListener("abort", () => resolve(null), { once: true });
      connection.subscribe(filters, (message) => this.#guarded(() => this.#message(message)), resolve, true);
    });
    deadline.clear();
    if (codes === null) return new LinkError("timeout", "backoff", "The broker does not answer the Sparkplug subscriptions.");
    const refused = filters.filter((_, at) => (codes[at] ?? 0x80) >= 0x80);
    return refused.length === 0 ? null : new LinkError("refused", { afterMs: OUR_FAULT_RETRY_MS }, `The broker refuses the subscription to ${refused.join(", ")}: check its access rules.`);
  }

  #message({ topic, payload, retained }: Incoming): void {
    const { node, primaryHost } = this.#parts;
    if (primaryHost === undefined || topic !== `spBv1.0/STATE/${primaryHost}`) return node.command({ topic, payload, isRetained: retained });
    switch (this.#host.take(payload)) {
      case "online":
        this.#hostView = "online";
        return node.birth();
      case "offline": return this.#hostGone(primaryHost);
      case "stale": case "malformed": return;
    }
  }

  /** Not born and with one broker only, we stay and wait for it; else this broker is left. */
  #hostGone(host: string): void {
    this.#hostView = "offline";
    const isBorn = this.#parts.node.status().phase !== "waiting";
    if (!isBorn && this.#parts.brokers < 2) return;
    this.#turn++;
    this.#end(new LinkError("lost", "backoff", `The primary host ${host} is offline: nothing is published to it.`));
  }

  /** NDEATH ourselves and DISCONNECT; unborn, the socket is just closed, and the broker sends the will: a death is never the first we publish. */
  async #leave(connection: Connection, bdSeq: number): Promise<void> {
    const { node, ports } = this.#parts;
    const wasBorn = node.status().phase !== "waiting";
    node.detach();
    if (!wasBorn) return connection.fail(new LinkError("lost", "never", "closed by us"));
    const deadline = ports.network.deadline(GOODBYE_MS, new AbortController().signal);
    await new Promise<void>((resolve) => {
      deadline.signal.addEventListener("abort", () => resolve(), { once: true });
      void connection.lost.then(() => resolve());
      connection.publish({ topic: node.topics.death, payload: node.death(bdSeq), retain: false, contentType: "" }, () => resolve());
    });
    deadline.clear();
    await connection.close(true);
  }

  #send(connection: Connection, topic: string, payload: Uint8Array): void {
    const bytes = 1 + 4 + 2 + Buffer.byteLength(topic) + 1 + payload.length;
    if (bytes <= connection.maximumPacketSize) return connection.send(topic, payload);
    connection.fail(new LinkError("unsupported", { afterMs: OUR_FAULT_RETRY_MS }, `The broker takes packets of ${connection.maximumPacketSize} bytes; the Sparkplug message on ${topic} has ${bytes}. Raise the broker's maximum packet size.`));
  }

  /** Called by the board and by the connection: a fault of ours here must not reach the records. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (cause) {
      this.#parts.ports.log.error({ reason: cause instanceof Error ? cause.stack : String(cause) }, "the Sparkplug output failed in a way it should not: please report this");
      this.#end(asLinkError(cause));
    }
  }
}

const asLinkError = (error: unknown): LinkError =>
  error instanceof LinkError ? error : new LinkError("internal", { afterMs: OUR_FAULT_RETRY_MS }, error instanceof Error ? error.message : String(error), { cause: error });
