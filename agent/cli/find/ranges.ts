/**
 * What a person may write for addresses to look at: an address, a subnet, a range, a name, each with a port and a kind of
 * source where wanted. Loopback and private ranges only, whatever the notation: nothing here ever reaches another network.
 *
 *   10.0.7.0/24   10.0.7.20-10.0.7.40   10.0.7.31:8193   focas@10.0.7.31:9000   [fd00::31]:4840   mill-3.shop.example
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";
import { UsageError } from "../arguments.ts";

/** IPv4 addresses from `first` to `last`, or one host. */
export type Hosts = { readonly kind: "range"; readonly first: number; readonly last: number } | { readonly kind: "one"; readonly host: string } | { readonly kind: "name"; readonly name: string };
export interface Target {
  /** As written. */
  readonly text: string;
  readonly hosts: Hosts;
  readonly port?: number;
  /** Only as this kind of source. */
  readonly source?: string;
}

/** A /22. */
const MOST_UNASKED = 1_024;
/** Hours of looking. */
const MOST_HOSTS = 65_536;

const V4_RANGES = [["10.0.0.0", 8], ["172.16.0.0", 12], ["192.168.0.0", 16], ["127.0.0.0", 8], ["169.254.0.0", 16]] as const;
const V6_RANGES = [["fc00::", 7], ["::1", 128]] as const;
const ALLOWED = new BlockList();
for (const [net, prefix] of V4_RANGES) ALLOWED.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of V6_RANGES) ALLOWED.addSubnet(net, prefix, "ipv6");
/** Where a cloud tells a computer of itself, keys included: no machine is there. */
const CLOUD_DATA = "169.254.169.254";
const WHICH = "loopback and private addresses only: 10.…, 172.16.… to 172.31.…, 192.168.…, 169.254.…, 127.…, ::1, fd00::…";

/** An IPv4 address in an IPv6 one is what it stands for. */
export function isPrivate(host: string): boolean {
  if (isIPv4(host)) return host !== CLOUD_DATA && ALLOWED.check(host, "ipv4");
  return isIPv6(host) && !host.includes("%") && !canonical(host).startsWith("::ffff:") && ALLOWED.check(host, "ipv6");
}

/** IPv6 in its one shortest form; with a zone as it is. */
export const canonical = (host: string): string => (isIPv6(host) && !host.includes("%") ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host);

const NAME = /^(?=.{1,253}$)(?=.*[a-z])[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/iu;

/** Throws UsageError with what may be written. */
export function targetOf(text: string): Target {
  const [, source, place = ""] = /^(?:([a-z0-9]+)@)?(.+)$/su.exec(text) ?? [];
  const { host, port } = splitPort(place, text);
  const target = { text, hosts: hostsOf(host, text), ...(port !== undefined && { port }), ...(source !== undefined && { source }) };
  if (target.hosts.kind !== "name") mustBePrivate(target.hosts, text);
  return target;
}

/** "10.0.7.31:8193", "[fd00::1]:4840", "fd00::1", "name:502". Throws UsageError. */
export function splitPort(place: string, text: string): { readonly host: string; readonly port?: number } {
  // An IPv6 address without brackets has no port.
  if (!place.startsWith("[") && place.split(":").length > 2) return { host: place };
  const [, bracketed, inBrackets, plain, rest] = /^(?:(\[([^\]]+)\])|([^:]+))(?::(.*))?$/su.exec(place) ?? [];
  const host = bracketed === undefined ? plain : inBrackets;
  if (host === undefined) return { host: place };
  if (bracketed !== undefined && !isIPv6(host)) throw wrong(text, "brackets are for IPv6 addresses");
  if (rest === undefined) return { host };
  const port = /^\d{1,5}$/u.test(rest) ? Number(rest) : 0;
  if (port < 1 || port > 65_535) throw wrong(text, "a port is a number from 1 to 65535");
  return { host, port };
}

function hostsOf(host: string, text: string): Hosts {
  const [, base, prefix] = /^([^/]+)\/(\d{1,3})$/u.exec(host) ?? [];
  if (base !== undefined) {
    if (!isIPv4(base)) throw wrong(text, "only IPv4 has subnets to look through: name IPv6 addresses one by one");
    if (Number(prefix) > 32) throw wrong(text, "a subnet ends in /0 to /32");
    return subnetOf(numberOf(base), Number(prefix));
  }
  const [, from, to] = /^([\d.]+)-([\d.]+)$/u.exec(host) ?? [];
  if (from !== undefined && to !== undefined) {
    if (!isIPv4(from) || !isIPv4(to)) throw wrong(text, "a range goes from one IPv4 address to another: 10.0.7.20-10.0.7.40");
    if (numberOf(from) > numberOf(to)) throw wrong(text, "the range ends before it begins");
    return { kind: "range", first: numberOf(from), last: numberOf(to) };
  }
  if (isIPv4(host)) return { kind: "range", first: numberOf(host), last: numberOf(host) };
  if (isIPv6(host)) return { kind: "one", host };
  if (NAME.test(host)) return { kind: "name", name: host };
  throw wrong(text, "this is no address, no subnet and no name");
}

/** Without the addresses of the net itself and of all in it. */
function subnetOf(base: number, prefix: number): Hosts {
  const size = 2 ** (32 - prefix);
  const first = Math.floor(base / size) * size;
  return prefix > 30 ? { kind: "range", first, last: first + size - 1 } : { kind: "range", first: first + 1, last: first + size - 2 };
}

function mustBePrivate(hosts: Exclude<Hosts, { kind: "name" }>, text: string): void {
  if (hosts.kind === "one") {
    if (!isPrivate(hosts.host)) throw wrong(text, WHICH);
    return;
  }
  const isInside = V4_RANGES.some(([net, prefix]) => {
    const size = 2 ** (32 - prefix);
    return hosts.first >= numberOf(net) && hosts.last < numberOf(net) + size;
  });
  if (!isInside) throw wrong(text, WHICH);
  if (hosts.first <= numberOf(CLOUD_DATA) && numberOf(CLOUD_DATA) <= hosts.last) throw wrong(text, `${CLOUD_DATA} is where a cloud tells a computer of itself: no machine is there, name a range without it`);
}

const wrong = (text: string, why: string): UsageError => new UsageError(`${JSON.stringify(text.slice(0, 80))}: ${why}`);

const numberOf = (address: string): number => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
export const addressOf = (value: number): string => [24, 16, 8, 0].map((shift) => String(Math.floor(value / 2 ** shift) % 256)).join(".");

export const countOf = (hosts: Hosts): number => (hosts.kind === "range" ? hosts.last - hosts.first + 1 : 1);

/** Throws UsageError for more than may be looked at unasked. */
export function mustBeFew(targets: readonly Target[], isAgreed: boolean): void {
  const count = targets.reduce((sum, { hosts }) => sum + countOf(hosts), 0);
  if (count > MOST_HOSTS) throw new UsageError(`${count} addresses are more than can be looked at (${MOST_HOSTS}): name the part of the network that the machines are in`);
  if (count > MOST_UNASKED && !isAgreed) throw new UsageError(`${count} addresses are more than a /22 (${MOST_UNASKED}): add --yes if that is meant, or name the part of the network that the machines are in`);
}
