/**
 * `cellgate discover`: finds controls and serial adapters on the shop's network, and prints a source for each. Polite: few
 * connections a second, private addresses only, and what a running agent reads is asked through it.
 */
import { networkInterfaces } from "node:os";
import { ConfigError } from "../contract/errors.ts";
import type { Ports } from "../contract/ports.ts";
import { nearest } from "../contract/shape.ts";
import type { HeldSource } from "../runtime/health/held-sources.ts";
import { CONFIG, JSON_OUTPUT, positive, UsageError, type Arguments } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { addressesOf, configurationIfThere, heldSources, Holders, placeIn, type HolderParts } from "./find/holders.ts";
import { plain } from "./find/plain.ts";
import { addressOf, countOf, isPrivate, mustBeFew, targetOf, type Target } from "./find/ranges.ts";
import { scan, type Attempt, type Endpoint, type Host, type Oddity } from "./find/scan.ts";
import { stanzas, type Stanza } from "./find/stanza.ts";
import { serialPorts, serialStanzas } from "./find/serial.ts";
import { write, type Io } from "./terminal.ts";

export interface DiscoverParts extends HolderParts {
  /** Folder of the stable names of serial adapters. */
  readonly serialFolder?: string;
}

const SERIAL_FOLDER = "/dev/serial/by-id";
/** The least that a host beside us which is switched off takes to be known as absent. */
const TIMEOUT_MS = "3500";
const SAY_EVERY_MS = 5_000;

export const discoverCommand = (parts: DiscoverParts): Command => ({
  name: "discover",
  summary: "find controls on the network and serial adapters, and print a source for each",
  positionals: ["[SUBNET|LIST]"],
  options: {
    ...CONFIG,
    kind: { kind: "value", value: "KINDS", help: "look for these kinds of sources only, separated by commas" },
    rate: { kind: "value", value: "N", default: "20", help: "connections a second, over all hosts" },
    timeout: { kind: "value", value: "MS", default: TIMEOUT_MS, help: "longest wait for a connection and for an answer" },
    yes: { kind: "flag", help: "more than a /22 (1024 addresses) is meant" },
    ...JSON_OUTPUT,
  },
  details: "LIST is separated by commas: 10.0.7.0/24, 10.0.7.20-10.0.7.40, 10.0.7.31:8193, focas@10.0.7.31:9000, a name.\nWithout it the networks of this computer are looked through. Loopback and private addresses only. Nothing is written\nto a device: each is asked what its own protocol asks first, one connection at a time. What the running agent reads is\nnot connected to again. Ctrl-C ends it and prints what was found.",
  async run(args, io, signal) {
    const rate = positive(args.value("rate") ?? "", "--rate");
    const timeoutMs = positive(args.value("timeout") ?? "", "--timeout");
    const settings = await configurationIfThere(args, parts.kinds, io);
    const targets = (args.positionals[0] === undefined ? ownNetworks() : args.positionals[0].split(",").map((text) => text.trim()).filter((text) => text !== "").map(targetOf));
    if (targets.length === 0) throw new UsageError("this computer is on no private network: name the subnet to look through, 10.0.7.0/24");
    mustBeFew(targets, args.flag("yes"));
    const attempts = await attemptsOf(parts, args, targets);
    const ports = parts.ports();
    const held = await heldSources(parts, placeIn(settings).dataDir, signal) ?? [];
    const search = new Search({ io, ports, holders: new Holders(held), total: targets.reduce((sum, { hosts }) => sum + countOf(hosts), 0) });
    const hosts = await search.hosts(targets, attempts);
    try {
      await scan({ hosts, perSecond: rate, timeoutMs, ports, ...search.listeners() }, signal);
    } finally {
      const serial = await serialStanzas(await search.freePorts(await serialPorts(parts.serialFolder ?? SERIAL_FOLDER)), parts.kinds);
      await search.end();
      await write(io.stdout, args.flag("json") ? search.json(serial) : search.words(serial));
    }
    return GOOD;
  },
});

interface Searching {
  readonly io: Io;
  readonly ports: Ports;
  readonly holders: Holders;
  readonly total: number;
}

/** What is found and said while hosts are looked at. */
class Search {
  readonly #searching: Searching;
  readonly #found: Endpoint[] = [];
  readonly #oddities: Oddity[] = [];
  readonly #held = new Map<HeldSource, string>();
  #done = 0;
  #saidMs: number;

  constructor(searching: Searching) {
    this.#searching = searching;
    this.#saidMs = searching.ports.network.now().monoMs;
  }

  /** What a running agent reads is left out. Names are resolved here, and only what they stand for is connected to. */
  async hosts(targets: readonly Target[], attemptsOf: (target: Target) => readonly Attempt[]): Promise<Iterable<Host>> {
    const named = new Map<Target, readonly string[]>();
    for (const target of targets) {
      if (target.hosts.kind !== "name") continue;
      const addresses = await addressesOf(target.hosts.name);
      const strange = addresses.find((address) => !isPrivate(address));
      if (strange !== undefined) throw new UsageError(`${target.text}: ${strange === target.hosts.name ? "the name is not known" : `the name stands for ${strange}, which is no private address`}`);
      named.set(target, addresses.slice(0, 1));
    }
    const heldAt = await this.#searching.holders.places();
    return this.#each(targets, attemptsOf, { named, heldAt });
  }

  *#each(targets: readonly Target[], attemptsOf: (target: Target) => readonly Attempt[], { named, heldAt }: { readonly named: ReadonlyMap<Target, readonly string[]>; readonly heldAt: (host: string, port: number) => HeldSource | null }): Generator<Host> {
    const seen = new Set<string>();
    for (const target of targets) {
      for (const host of eachOf(target, named.get(target) ?? [])) {
        const free = attemptsOf(target).filter(({ port, kind }) => {
          const held = heldAt(host, port);
          if (held !== null) this.#held.set(held, `${host}:${port}`);
          const key = `${kind} ${host} ${port}`;
          const isNew = !seen.has(key);
          if (targets.length > 1) seen.add(key);
          return held === null && isNew;
        });
        if (free.length > 0) yield { host, attempts: free };
        else this.#done++;
      }
    }
  }

  /** Serial ports that the running agent does not read. */
  async freePorts(paths: readonly string[]): Promise<readonly string[]> {
    const free: string[] = [];
    for (const path of paths) {
      const held = await this.#searching.holders.of({ serial: path });
      if (held === null) free.push(path);
      else this.#held.set(held, path);
    }
    return free;
  }

  listeners(): { readonly onFound: (endpoint: Endpoint) => void; readonly onOddity: (oddity: Oddity) => void; readonly onHost: () => void } {
    const { io } = this.#searching;
    return {
      onFound: (endpoint) => {
        this.#found.push(endpoint);
        void write(io.stderr, `${this.#clear()}${endpoint.kind} at ${placeOf(endpoint)}: ${plain(endpoint.found.words)}\n`);
      },
      onOddity: (oddity) => void this.#oddities.push(oddity),
      onHost: () => {
        this.#done++;
        this.#progress();
      },
    };
  }

  /** A terminal's line that changes; elsewhere a line now and then. */
  #progress(): void {
    const { io, ports, total } = this.#searching;
    const nowMs = ports.network.now().monoMs;
    if (nowMs - this.#saidMs < (io.errorIsTerminal ? 200 : SAY_EVERY_MS)) return;
    this.#saidMs = nowMs;
    void write(io.stderr, `${this.#clear()}${this.#done} of ${total} addresses, ${this.#found.length} found${io.errorIsTerminal ? "" : "\n"}`);
  }

  #clear(): string {
    return this.#searching.io.errorIsTerminal ? "\r\u001b[K" : "";
  }

  async end(): Promise<void> {
    const { io, total } = this.#searching;
    await write(io.stderr, `${this.#clear()}${Math.min(this.#done, total)} of ${total} addresses looked at, ${this.#found.length} found\n`);
  }

  json(serial: readonly Stanza[]): string {
    return `${JSON.stringify({
      found: this.#sorted().map(({ kind, at, found }) => ({ kind, ...at, words: found.words, facts: found.facts ?? {}, notes: found.notes ?? [], source: { type: kind, ...found.keys } })),
      held: [...this.#held].map(([{ machine, kind, link }, at]) => ({ machine, kind, at, link })),
      others: this.#oddities.map(({ kind, at, message }) => ({ kind, ...at, message })),
      serial: serial.map(({ kind, keys }) => ({ type: kind, ...keys })),
      addresses: { looked: this.#done, of: this.#searching.total },
    }, null, 2)}\n`;
  }

  words(serial: readonly Stanza[]): string {
    const found = this.#sorted();
    const all = [...found.map((endpoint) => this.#stanza(endpoint)), ...serial];
    const said = [
      ...[...this.#held].map(([{ machine, kind }, at]) => `# ${at} is read by the running agent: machine ${plain(machine)} (${plain(kind)}); more: cellgate probe ${plain(machine)}`),
      ...this.#oddities.map(({ kind, at, message }) => `# ${at.host}:${at.port} takes connections, but not as ${kind}: ${plain(message)}`),
    ].map((line) => `${line}\n`).join("");
    return `${all.length === 0 ? "# nothing was found: are the controls switched on, and their interfaces enabled (docs/finding-controls.md)?\n" : stanzas(all)}${said}`;
  }

  #stanza(endpoint: Endpoint): Stanza {
    const { kind, at, found } = endpoint;
    const others = [...new Set(this.#found.filter((other) => other !== endpoint && other.at.host === at.host && other.kind !== kind).map((other) => other.kind))];
    const both = others.length === 0 ? [] : [`the same host also answers as ${others.join(", ")}: one source is enough for a machine`];
    return { kind, keys: found.keys, where: at.host, isSure: true, comments: [`${placeOf(endpoint)}: ${found.words}`, ...(found.notes ?? []), ...both] };
  }

  #sorted(): readonly Endpoint[] {
    const order = ({ at, kind }: Endpoint): string => `${at.host.split(".").map((part) => part.padStart(3, "0")).join(".")} ${String(at.port).padStart(5, "0")} ${kind}`;
    return this.#found.toSorted((one, other) => (order(one) < order(other) ? -1 : 1));
  }
}

const placeOf = ({ at: { host, port } }: Endpoint): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

function* eachOf({ hosts }: Target, named: readonly string[]): Generator<string> {
  if (hosts.kind === "one") yield hosts.host;
  else if (hosts.kind === "name") yield* named;
  else for (let value = hosts.first; value <= hosts.last; value++) yield addressOf(value);
}

/** Private IPv4 networks this computer is on. */
function ownNetworks(): readonly Target[] {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter(({ internal, family, cidr, address }) => !internal && family === "IPv4" && cidr !== null && isPrivate(address));
  return [...new Set(own.flatMap(({ cidr }) => cidr ?? []))].map(targetOf);
}

/** Which kinds are tried at which ports of a target: each at its usual ones, or the one that was named there. */
async function attemptsOf({ kinds }: DiscoverParts, args: Arguments, targets: readonly Target[]): Promise<(target: Target) => readonly Attempt[]> {
  const known = kinds.sources.flatMap(({ kind, survey }) => (survey === undefined ? [] : [{ kind, survey }]));
  const names = known.map(({ kind }) => kind);
  const named = (kind: string): string => {
    if (names.includes(kind)) return kind;
    const near = nearest(kind, names);
    throw new UsageError(`there is no kind ${JSON.stringify(kind)} to look for${near === undefined ? "" : `; did you mean ${near}?`} (${names.join(", ")})`);
  };
  const wanted = args.value("kind")?.split(",").map((kind) => named(kind.trim())) ?? names;
  const needed = new Set([...wanted, ...targets.flatMap(({ source }) => (source === undefined ? [] : [named(source)]))]);
  const loaded = await Promise.all(known.filter(({ kind }) => needed.has(kind)).map(async ({ kind, survey }) => ({ kind, ports: survey.ports, survey: await survey.load() })));
  if (loaded.length === 0) throw new ConfigError(["no kind of source can be looked for"]);
  const attempts = (target: Target): readonly Attempt[] => loaded.filter(({ kind }) => (target.source === undefined ? wanted.includes(kind) : kind === target.source)).flatMap(({ kind, ports, survey }) => {
    const { port } = target;
    // Bytes of another protocol are sent to no port that may be anything, such as a serial line into a control.
    const isMeant = port === undefined || target.source !== undefined || args.value("kind") !== undefined || ports.includes(port);
    return isMeant ? (port === undefined ? ports : [port]).map((one) => ({ kind, port: one, survey })) : [];
  });
  const nobody = targets.find((target) => attempts(target).length === 0);
  if (nobody !== undefined) throw new UsageError(`${nobody.text}: no kind of source has this port usually: say which it may be, ${names[0] ?? "KIND"}@${nobody.text}`);
  return attempts;
}
