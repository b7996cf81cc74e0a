/**
 * One agent, asked: model, current values, samples, a stream. Decodes in slices, reacts to refused parameters by asking
 * with fewer, and explains every other answer as a LinkError. Holds no position: that is session.ts.
 */
import { inflate, gunzip } from "node:zlib";
import { promisify } from "node:util";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { explainAgentErrors, explainOther, explainStatus } from "./agent-error.ts";
import type { MTConnectConfig } from "./config.ts";
import { documentDecoder, type AgentError, type Header, type MTConnectDocument, type Sequenced } from "./document.ts";
import { readBody, type Answer, type Client } from "./http.ts";
import type { ChosenItem, Selection } from "../shared/mtconnect/items.ts";
import type { Lookup } from "../shared/mtconnect/observed.ts";
import { BODY_LIMIT, boundaryOf, MultipartDecoder, type Part } from "./multipart.ts";
import { explainNetworkError } from "./network-error.ts";
import { decodeModel, type DeviceModel } from "../shared/mtconnect/probe.ts";
import { currentTarget, isAboutParameters, isOutOfRange, relaxed, sampleTarget, type Dialect } from "./requests.ts";
import type { UnixMs } from "../../agent/contract/time.ts";

export interface Streams<Item = ChosenItem> {
  readonly header: Header;
  readonly observations: readonly Sequenced<Item>[];
}
/** What an agent may answer to a question about its buffer; anything else throws. */
export type Asked =
  | { readonly kind: "streams"; readonly streams: Streams }
  /** `at` or `from` is not in the buffer, or the agent does not know `at`. */
  | { readonly kind: "refused"; readonly outOfRange: boolean; readonly errors: readonly AgentError[]; readonly url: string };

/** Characters decoded before others get their turn: 1 to 3 ms on a small gateway. */
const SLICE = 256 * 1024;
const MAXIMUM_RELAXATIONS = 4;
/** The agent's own heartbeat where it does not take ours. */
const DEFAULT_HEARTBEAT_MS = 10_000;
const LIVENESS_MARGIN_MS = 2_000;
const unpackGzip = promisify(gunzip);
const unpackDeflate = promisify(inflate);

interface Parts {
  readonly client: Client;
  readonly config: MTConnectConfig;
  readonly ports: Ports;
}

/** The device model; also says whether this is an agent at all. */
export async function readModel({ client, config, ports }: Parts, signal: AbortSignal): Promise<DeviceModel> {
  const answer = await client.open("/probe", "document", signal);
  const body = await readBody(answer, config.timeout, ports);
  const refused = explainStatus(answer) ?? explainOther(body, answer);
  if (refused) throw refused;
  if (Buffer.from(body.subarray(0, 4_096)).toString("latin1").includes("MTConnectError")) {
    const document = await decodeSliced(body, () => null, { what: `the answer of ${answer.url}`, ports, signal });
    if (document.kind === "errors") throw explainAgentErrors(document.errors, answer.url);
  }
  return decodeModel(body, `the answer of ${answer.url}`);
}

interface Slicing {
  readonly what: string;
  readonly ports: Ports;
  readonly signal: AbortSignal;
}

async function decodeSliced<Item>(bytes: Uint8Array, lookup: Lookup<Item>, { what, ports, signal }: Slicing): Promise<MTConnectDocument<Item>> {
  const decoder = documentDecoder(bytes, lookup, what);
  while (!decoder.step(SLICE)) await ports.network.sleep(0, signal);
  return decoder.result();
}

export class Agent {
  readonly #parts: Parts;
  readonly #lookup: Lookup<ChosenItem>;
  #dialect: Dialect;

  constructor(parts: Parts, selection: Selection, dialect: Dialect) {
    this.#parts = parts;
    this.#lookup = selection.lookup;
    this.#dialect = dialect;
  }

  /** For people: what the agent did not take. */
  get dialect(): Dialect {
    return this.#dialect;
  }

  /** The buffer's size bounds what may be asked for at once. */
  limitCount(bufferSize: number | null): void {
    const { count } = this.#dialect;
    if (count !== null && bufferSize !== null && bufferSize > 0 && bufferSize < count) this.#dialect = { ...this.#dialect, count: bufferSize };
  }

  current(at: number | null, signal: AbortSignal): Promise<Asked> {
    return this.#ask(() => currentTarget(this.#dialect, at), at === null, signal);
  }

  sample(from: number, signal: AbortSignal): Promise<Asked> {
    return this.#ask(() => sampleTarget(this.#dialect, from, null), true, signal);
  }

  /** When the observation at `sequence`, or the next one, was made, whatever item it is of; null when nobody says. */
  async stampAt(sequence: number, signal: AbortSignal): Promise<{ readonly kind: "stamp"; readonly at: UnixMs | null } | { readonly kind: "refused" }> {
    const bare = { ...this.#dialect, prefix: "", filter: null, count: 1 };
    const { document } = await this.#document(sampleTarget(bare, sequence, null), (id) => id, signal);
    if (document.kind === "errors") return { kind: "refused" };
    return { kind: "stamp", at: document.kind === "streams" ? document.observations[0]?.at ?? document.header.created : null };
  }

  /** Asks, with fewer parameters each time the agent refuses one. `relaxes`: false where a refusal may be about `at`. */
  async #ask(target: () => string, relaxes: boolean, signal: AbortSignal): Promise<Asked> {
    for (let attempt = 0; ; attempt++) {
      const { document, url } = await this.#document(target(), this.#lookup, signal);
      if (document.kind === "streams") return { kind: "streams", streams: document };
      if (document.kind === "devices") throw new LinkError("protocol", "backoff", `${url} answered its device model instead of values`);
      const fewer = relaxes && attempt < MAXIMUM_RELAXATIONS ? relaxed(this.#dialect, document.errors, false) : null;
      if (fewer === null) return refusedOr(document.errors, url, relaxes);
      this.#dialect = fewer;
    }
  }

  async #document<Item>(target: string, lookup: Lookup<Item>, signal: AbortSignal): Promise<{ readonly document: MTConnectDocument<Item>; readonly url: string }> {
    const { client, config, ports } = this.#parts;
    const answer = await client.open(target, "document", signal);
    return { document: await this.#read(answer, await readBody(answer, config.timeout, ports), lookup, signal), url: answer.url };
  }

  async #read<Item>(answer: Answer, body: Uint8Array, lookup: Lookup<Item>, signal: AbortSignal): Promise<MTConnectDocument<Item>> {
    const refused = explainStatus(answer) ?? explainOther(body, answer);
    if (refused) throw refused;
    return decodeSliced(body, lookup, { what: `the answer of ${answer.url}`, ports: this.#parts.ports, signal });
  }

  /**
   * The documents of a stream from `from` on. Returns when the agent does not stream: after giving the one document it
   * answered, if it did. Throws LinkError when the stream ends, hangs or carries an error.
   */
  async *stream(from: number, signal: AbortSignal): AsyncGenerator<Streams> {
    const { client, config } = this.#parts;
    for (let attempt = 0; ; attempt++) {
      const answer = await client.open(sampleTarget(this.#dialect, from, config.interval), "stream", signal);
      const boundary = answer.status >= 300 ? null : boundaryOf(answer.contentType);
      if (boundary !== null) {
        yield* this.#partsOf(answer, boundary, signal);
        return;
      }
      const document = await this.#read(answer, await readBody(answer, config.timeout, this.#parts.ports), this.#lookup, signal);
      if (document.kind === "streams") {
        yield document;
        return;
      }
      if (document.kind === "devices") throw new LinkError("protocol", "backoff", `${answer.url} answered its device model instead of values`);
      const fewer = attempt < MAXIMUM_RELAXATIONS ? relaxed(this.#dialect, document.errors, true) : null;
      if (fewer === null) {
        // Out of range: polling finds out whether something was lost. Anything else about parameters: no streaming here.
        if (isOutOfRange(document.errors) || isAboutParameters(document.errors)) return;
        throw explainAgentErrors(document.errors, answer.url);
      }
      this.#dialect = fewer;
    }
  }

  async *#partsOf(answer: Answer, boundary: string, signal: AbortSignal): AsyncGenerator<Streams> {
    const { config, ports } = this.#parts;
    const decoder = new MultipartDecoder(boundary);
    const silenceMs = 2 * Math.max(this.#dialect.heartbeatMs ?? DEFAULT_HEARTBEAT_MS, config.interval) + LIVENESS_MARGIN_MS;
    try {
      while (!decoder.ended) {
        const bytes = await answer.next(silenceMs);
        if (bytes === null) break;
        for (const part of decoder.push(bytes)) {
          const document = await decodeSliced(await partBody(part, answer.url), this.#lookup, { what: `a part of ${answer.url}`, ports, signal });
          if (document.kind === "errors") throw explainAgentErrors(document.errors, answer.url);
          if (document.kind === "streams") yield document;
        }
      }
      throw new LinkError("lost", "backoff", `the agent ended the stream (${answer.url})`);
    } finally {
      answer.close();
    }
  }
}

function refusedOr(errors: readonly AgentError[], url: string, final: boolean): Asked {
  const outOfRange = isOutOfRange(errors);
  if (final && !outOfRange) throw explainAgentErrors(errors, url);
  return { kind: "refused", outOfRange, errors, url };
}

async function partBody({ headers, body }: Part, url: string): Promise<Uint8Array> {
  const encoding = (headers.get("content-encoding") ?? "identity").toLowerCase();
  if (encoding === "identity" || encoding === "") return body;
  try {
    return await (encoding === "deflate" ? unpackDeflate : unpackGzip)(body, { maxOutputLength: BODY_LIMIT });
  } catch (cause) {
    throw explainNetworkError(cause, url);
  }
}
