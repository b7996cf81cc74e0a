/**
 * `cellgate discover`: finds controls and serial adapters on the shop's network, and prints a source for each. Polite: few
 * connections a second, private addresses only, and what a running agent reads is asked through it.
 */
import { networkInterfaces } from "node:os";
import { ConfigError } from "../contract/errors.ts";
import { nearest } from "../contract/shape.ts";
import { CONFIG, JSON_OUTPUT, positive, UsageError, type Arguments } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { configurationIfThere, heldSources, Holders, placeIn, type HolderParts } from "./find/holders.ts";
import { politely } from "./find/politely.ts";
import { countOf, isPrivate, mustBeFew, targetOf, type Target } from "./find/ranges.ts";
import { scan, type Attempt } from "./find/scan.ts";
import { Search } from "./find/search.ts";
import { serialPorts, serialStanzas } from "./find/serial.ts";
import { write } from "./terminal.ts";

export interface DiscoverParts extends HolderParts {
  /** Folder of the stable names of serial adapters. */
  readonly serialFolder?: string;
}

const SERIAL_FOLDER = "/dev/serial/by-id";
/** The least that a host beside us which is switched off takes to be known as absent. */
const TIMEOUT_MS = "3500";

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
      await politely(scan({ hosts, perSecond: rate, timeoutMs, ports, ...search.listeners() }, signal), ports.network, signal);
    } finally {
      const serial = await serialStanzas(await search.freePorts(await serialPorts(parts.serialFolder ?? SERIAL_FOLDER)), parts.kinds);
      await search.end();
      await write(io.stdout, args.flag("json") ? search.json(serial) : search.words(serial));
    }
    return GOOD;
  },
});

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
