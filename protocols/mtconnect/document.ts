/**
 * MTConnect documents, bytes → header and observations, or errors (mtconnect.md §3, §5, §9). Only the items asked for
 * are taken; they come ordered by sequence, since a document groups them by component (§6). Incremental: `step` reads
 * a stretch, so that a large document shares the event loop. Throws LinkError with place and bytes when it is no XML.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Lookup, Observed } from "../shared/mtconnect/observed.ts";
import { decodeText, detached } from "../shared/mtconnect/text.ts";
import { decodeTimestamp } from "../shared/mtconnect/timestamp.ts";
import { XmlError, XmlScanner, type Attributes, type XmlVisitor } from "../shared/mtconnect/xml.ts";

export interface Header {
  /** Compared as text: equality says whether sequences are comparable (mtconnect.md §3). */
  readonly instance: string | null;
  readonly created: UnixMs | null;
  readonly version: string;
  readonly sender: string;
  readonly model: string | null;
  readonly bufferSize: number | null;
  readonly first: number | null;
  readonly last: number | null;
  readonly next: number | null;
}

/** In the order of `sequence`, which numbers everything the agent was told. */
export interface Sequenced<Item> extends Observed<Item> {
  readonly sequence: number;
}

export interface AgentError {
  readonly code: string;
  readonly text: string;
  /** The parameter meant, with its limits, where the agent says so (2.6 on). */
  readonly parameter: string | null;
  readonly minimum: number | null;
  readonly maximum: number | null;
}

export type MTConnectDocument<Item> =
  | { readonly kind: "streams"; readonly header: Header; readonly observations: readonly Sequenced<Item>[] }
  | { readonly kind: "errors"; readonly header: Header | null; readonly errors: readonly AgentError[] }
  | { readonly kind: "devices" };

export interface DocumentDecoder<Item> {
  /** Reads about this many characters further; true when `result` may be called. */
  step(characters: number): boolean;
  result(): MTConnectDocument<Item>;
}

/** `what`: names the document in errors: "the answer of http://…/current". */
export function documentDecoder<Item>(bytes: Uint8Array, lookup: Lookup<Item>, what: string): DocumentDecoder<Item> {
  const text = decodeText(bytes);
  const reader = new Reader(lookup);
  const scanner = new XmlScanner(text, reader);
  const told = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      if (!(cause instanceof XmlError)) throw cause;
      const near = Buffer.from(text.slice(cause.offset, cause.offset + 32), "utf8").subarray(0, 32);
      throw new LinkError("protocol", "backoff", `${what} is not a sound MTConnect document: ${cause.message}, at character ${cause.offset}: ${near.toString("hex") || "(end)"}`, { cause });
    }
  };
  return { step: (characters) => told(() => scanner.step(characters)), result: () => told(() => reader.result()) };
}

/** The whole document at once. */
export function decodeDocument<Item>(bytes: Uint8Array, lookup: Lookup<Item>, what: string): MTConnectDocument<Item> {
  const decoder = documentDecoder(bytes, lookup, what);
  while (!decoder.step(Number.MAX_SAFE_INTEGER));
  return decoder.result();
}

/** The elements that conditions are, in whatever letters. */
const CONDITION_LEVEL = /^(?:normal|warning|fault|unavailable)$/iu;

type Draft<Item> = { -readonly [Key in keyof Sequenced<Item>]: Sequenced<Item>[Key] };

class Reader<Item> implements XmlVisitor {
  collects = false;
  readonly #lookup: Lookup<Item>;
  #depth = 0;
  #root: string | null = null;
  #header: Header | null = null;
  #device: string | null = null;
  #uuid: string | null = null;
  readonly #observations: Draft<Item>[] = [];
  /** The observation whose text is being gathered, and its depth: what is nested in it belongs to it. */
  #current: Draft<Item> | null = null;
  #currentDepth = 0;
  readonly #errors = new ErrorReader();

  constructor(lookup: Lookup<Item>) {
    this.#lookup = lookup;
  }

  open(local: string, attributes: Attributes): void {
    const depth = this.#depth++;
    if (depth === 0) return this.#openRoot(local);
    if (depth === 1 && local === "Header") this.#header = readHeader(attributes);
    else if (this.#root === "MTConnectStreams") this.#openStreams(local, attributes, depth);
    else if (this.#root === "MTConnectError") {
      this.#errors.open(local, attributes, depth);
      this.collects = true;
    }
  }

  #openRoot(local: string): void {
    if (local !== "MTConnectStreams" && local !== "MTConnectError" && local !== "MTConnectDevices") throw new XmlError(`the root element is <${local.slice(0, 60)}>`, 0);
    this.#root = local;
  }

  #openStreams(local: string, attributes: Attributes, depth: number): void {
    if (this.#current !== null) return;
    if (local === "DeviceStream") {
      this.#device = attributes.get("name");
      this.#uuid = attributes.get("uuid");
      return;
    }
    const id = attributes.get("dataItemId");
    const item = id === null ? null : this.#lookup(id, this.#device, this.#uuid);
    if (item === null) return;
    const sequence = Number(attributes.get("sequence") ?? Number.NaN);
    if (!Number.isSafeInteger(sequence) || sequence < 0) throw new XmlError(`observation of ${id} with the sequence "${attributes.get("sequence")?.slice(0, 40) ?? ""}"`, 0);
    const isCondition = CONDITION_LEVEL.test(local);
    this.#current = {
      item, sequence, level: local, text: "",
      at: decodeTimestamp(attributes.get("timestamp") ?? ""),
      nativeCode: isCondition ? attributes.get("nativeCode") : null,
      conditionId: isCondition ? attributes.get("conditionId") : null,
      type: isCondition ? attributes.get("type") : null,
    };
    this.#currentDepth = depth;
    this.collects = true;
  }

  text(piece: string): void {
    if (this.#current !== null) this.#current.text = this.#current.text === "" ? piece : this.#current.text + piece;
    else if (this.#root === "MTConnectError") this.#errors.text(piece);
  }

  close(local: string): void {
    const depth = --this.#depth;
    if (this.#current !== null && depth === this.#currentDepth) {
      this.#observations.push(this.#current);
      this.#current = null;
      this.collects = false;
    } else if (this.#root === "MTConnectError") this.#errors.close(local, depth);
  }

  result(): MTConnectDocument<Item> {
    if (this.#root === "MTConnectDevices") return { kind: "devices" };
    if (this.#root === "MTConnectError") return { kind: "errors", header: this.#header, errors: this.#errors.errors };
    if (this.#header === null) throw new XmlError("there is no Header in it", 0);
    return { kind: "streams", header: this.#header, observations: inOrder(this.#observations) };
  }
}

/** By sequence, each once. Mostly one sort of numbers that are grouped by item. */
function inOrder<Item>(observations: Sequenced<Item>[]): readonly Sequenced<Item>[] {
  observations.sort((a, b) => a.sequence - b.sequence);
  return observations.filter((one, index) => index === 0 || one.sequence !== observations[index - 1]?.sequence);
}

/** A whole number that JSON can carry; anything else is nonsense (mtconnect.md §3). */
function whole(text: string | null): number | null {
  const value = text === null || !/^\d+$/u.test(text) ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

function readHeader(attributes: Attributes): Header {
  const own = (name: string): string | null => detached(attributes.get(name)?.slice(0, 200) ?? null);
  return {
    instance: own("instanceId"), created: decodeTimestamp(attributes.get("creationTime") ?? ""),
    version: own("version") ?? "", sender: own("sender") ?? "", model: own("deviceModelChangeTime"),
    bufferSize: whole(attributes.get("bufferSize")), first: whole(attributes.get("firstSequence")),
    last: whole(attributes.get("lastSequence")), next: whole(attributes.get("nextSequence")),
  };
}

type ErrorDraft = { -readonly [Key in keyof AgentError]: AgentError[Key] };
const MAXIMUM_ERRORS = 100;

/** Both forms: `Error errorCode=…` with text, and (2.6 on) elements named after the kind with `ErrorMessage` and `QueryParameter`. */
class ErrorReader {
  readonly errors: ErrorDraft[] = [];
  #current: ErrorDraft | null = null;
  #currentDepth = 0;
  #text = "";
  #message: string | null = null;

  open(local: string, attributes: Attributes, depth: number): void {
    this.#text = "";
    if (this.#current !== null) {
      if (local === "QueryParameter") this.#current.parameter = detached(attributes.get("name"));
      return;
    }
    const code = attributes.get("errorCode");
    if (code === null) return;
    this.#current = { code: code.toUpperCase().slice(0, 100), text: "", parameter: null, minimum: null, maximum: null };
    this.#currentDepth = depth;
    this.#message = null;
  }

  text(piece: string): void {
    if (this.#current !== null && this.#text.length < 1_000) this.#text += piece;
  }

  close(local: string, depth: number): void {
    if (this.#current === null) return;
    const text = this.#text.trim().slice(0, 1_000);
    if (depth > this.#currentDepth) {
      if (local === "ErrorMessage") this.#message = text;
      if (local === "Minimum") this.#current.minimum = whole(text);
      if (local === "Maximum") this.#current.maximum = whole(text);
      this.#text = "";
      return;
    }
    this.#current.text = detached(this.#message ?? text);
    if (this.errors.length < MAXIMUM_ERRORS) this.errors.push(this.#current);
    this.#current = null;
  }
}
