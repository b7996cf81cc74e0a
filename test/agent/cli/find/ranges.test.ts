import { describe, expect, it } from "vitest";
import { UsageError } from "../../../../agent/cli/arguments.ts";
import { addressOf, countOf, isPrivate, mustBeFew, targetOf } from "../../../../agent/cli/find/ranges.ts";

const spelt = (text: string): unknown => {
  const { hosts, port, source } = targetOf(text);
  return [hosts.kind === "range" ? `${addressOf(hosts.first)}-${addressOf(hosts.last)}` : hosts.kind === "one" ? hosts.host : `name ${hosts.name}`, countOf(hosts), port, source];
};

describe("what may be looked at", () => {
  it.each([
    ["10.0.7.31", ["10.0.7.31-10.0.7.31", 1, undefined, undefined]],
    ["10.0.7.31:8193", ["10.0.7.31-10.0.7.31", 1, 8193, undefined]],
    ["focas@10.0.7.31:9000", ["10.0.7.31-10.0.7.31", 1, 9000, "focas"]],
    ["10.0.7.0/24", ["10.0.7.1-10.0.7.254", 254, undefined, undefined]],
    ["10.0.7.77/24", ["10.0.7.1-10.0.7.254", 254, undefined, undefined]],
    ["172.31.255.248/30", ["172.31.255.249-172.31.255.250", 2, undefined, undefined]],
    ["192.168.1.4/31", ["192.168.1.4-192.168.1.5", 2, undefined, undefined]],
    ["127.0.0.1/32", ["127.0.0.1-127.0.0.1", 1, undefined, undefined]],
    ["10.0.7.250-10.0.8.3", ["10.0.7.250-10.0.8.3", 10, undefined, undefined]],
    ["10.0.7.0/24:502", ["10.0.7.1-10.0.7.254", 254, 502, undefined]],
    ["::1", ["::1", 1, undefined, undefined]],
    ["[fd00::31]:4840", ["fd00::31", 1, 4840, undefined]],
    ["mill-3.shop.example:8193", ["name mill-3.shop.example", 1, 8193, undefined]],
  ] as const)("%s", (text, expected) => {
    expect(spelt(text)).toEqual(expected);
  });
});

describe("what may not", () => {
  it.each([
    ["0.0.0.0/0", /loopback and private/], ["0.0.0.0", /loopback and private/], ["::", /loopback and private/], ["255.255.255.255", /loopback and private/],
    ["8.8.8.8", /loopback and private/], ["10.0.0.0/7", /loopback and private/], ["9.255.255.255-10.0.0.3", /loopback and private/], ["172.32.0.1", /loopback and private/], ["172.15.255.255", /loopback and private/],
    ["192.167.0.0/15", /loopback and private/], ["100.64.0.1", /loopback and private/], ["224.0.0.1", /loopback and private/], ["10.255.255.255-11.0.0.1", /loopback and private/],
    ["::ffff:8.8.8.8", /loopback and private/], ["::ffff:10.0.0.1", /loopback and private/], ["2001:db8::1", /loopback and private/], ["[2001:db8::1]:4840", /loopback and private/], ["ff02::1", /loopback and private/], ["fe80::1%eth0", /loopback and private/], ["::1%lo", /loopback and private/], ["fc00::1%25x", /loopback and private/], ["64:ff9b::a00:1", /loopback and private/],
    ["fd00::/64", /only IPv4 has subnets/], ["::/0", /only IPv4 has subnets/], ["10.0.0.0/33", /\/0 to \/32/], ["10.0.0.0/-1", /no address/], ["10.0.0.0/", /no address/], ["/24", /no address/], ["10.0.0.0/8/8", /no address/],
    ["010.0.0.1", /no address/], ["10.0.0.256", /no address/], ["2130706433", /no address/], ["10.0.0", /no address/], ["10.0.0.1.", /no address/],
    ["10.0.0.9-10.0.0.1", /ends before it begins/], ["10.0.0.1-256", /a range goes from/], ["10.0.0.1-10.0.0.999", /a range goes from/],
    ["10.0.0.1:0", /a port is/], ["10.0.0.1:65536", /a port is/], ["10.0.0.1:http", /a port is/], ["10.0.0.1:", /a port is/], ["[10.0.0.1]:80", /brackets are for/],
    ["http://10.0.0.1", /a port is|no address/], ["a b", /no address/], ["-rf", /no address/], ["x;reboot", /no address/], ["169.254.169.254", /no machine is there/], ["169.254.169.0/24", /name a range without it/], ["na\u0000me", /no address/], ["\u001b[2J", /no address/], ["a".repeat(300), /no address/], ["", /no address/], ["@", /no address/],
  ] as const)("%j", (text, why) => {
    expect(() => targetOf(text)).toThrow(UsageError);
    expect(() => targetOf(text)).toThrow(why);
  });

  it("more than a /22 without being asked for, and more than a /16 at all", () => {
    expect(() => { mustBeFew([targetOf("10.0.0.0/22")], false); }).not.toThrow();
    expect(() => { mustBeFew([targetOf("10.0.0.0/22"), targetOf("10.1.0.0/28")], false); }).toThrow(/add --yes/);
    expect(() => { mustBeFew([targetOf("10.0.0.0/21")], true); }).not.toThrow();
    expect(() => { mustBeFew([targetOf("10.0.0.0/8")], true); }).toThrow(/more than can be looked at/);
  });

  it("an address by whatever name it was found", () => {
    expect(["10.1.2.3", "127.0.0.1", "::1", "fd12::1", "169.254.3.4"].filter((one) => !isPrivate(one))).toEqual([]);
    expect(["8.8.8.8", "0.0.0.0", "::", "::ffff:10.0.0.1", "2001:db8::1", "::1%lo", "mill", "", "169.254.169.254"].filter(isPrivate)).toEqual([]);
  });
});
